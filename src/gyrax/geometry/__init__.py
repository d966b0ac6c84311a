"""The Poincaré ball: pure functions of points, tangent vectors and covectors."""

from gyrax.geometry.poincare import christoffel as christoffel
from gyrax.geometry.poincare import conformal_factor as conformal_factor
from gyrax.geometry.poincare import distance as distance
from gyrax.geometry.poincare import exp_map as exp_map
from gyrax.geometry.poincare import flat as flat
from gyrax.geometry.poincare import frechet_mean as frechet_mean
from gyrax.geometry.poincare import geodesic as geodesic
from gyrax.geometry.poincare import geodesic_flow as geodesic_flow
from gyrax.geometry.poincare import gyration as gyration
from gyrax.geometry.poincare import inverse_metric as inverse_metric
from gyrax.geometry.poincare import log_map as log_map
from gyrax.geometry.poincare import metric as metric
from gyrax.geometry.poincare import mobius_add as mobius_add
from gyrax.geometry.poincare import parallel_transport as parallel_transport
from gyrax.geometry.poincare import project as project
from gyrax.geometry.poincare import sharp as sharp
from gyrax.geometry.poincare import squared_distance as squared_distance
from gyrax.geometry.poincare import temperature as temperature
from gyrax.geometry.poincare import translate as translate
from gyrax.geometry.poincare import transport_scale as transport_scale
from gyrax.geometry.safe import safe_norm as safe_norm
