"""Solvers of the Langevin equation, and their names."""

from gyrax.dynamics.solvers.base import letters as letters
from gyrax.dynamics.solvers.base import noise_cells as noise_cells
from gyrax.dynamics.solvers.document import DocumentBAOAB as DocumentBAOAB
from gyrax.dynamics.solvers.geodesic import GeodesicSplitting as GeodesicSplitting
from gyrax.dynamics.solvers.projected import Projected as Projected
from gyrax.dynamics.solvers.registry import solver_by_name as solver_by_name
from gyrax.dynamics.solvers.registry import solver_names as solver_names
