"""Hamiltonian Langevin dynamics on the Poincaré ball, and a covariant geometric world model on it."""

from gyrax import geometry as geometry
from gyrax._version import __version__ as __version__
from gyrax.dynamics import BallJumpProcess as BallJumpProcess
from gyrax.dynamics import DocumentBAOAB as DocumentBAOAB
from gyrax.dynamics import GeodesicSplitting as GeodesicSplitting
from gyrax.dynamics import JumpProcess as JumpProcess
from gyrax.dynamics import PhaseState as PhaseState
from gyrax.dynamics import PresampledPath as PresampledPath
from gyrax.dynamics import Simulation as Simulation
from gyrax.dynamics import bernoulli_log_likelihood as bernoulli_log_likelihood
from gyrax.dynamics import jump_log_likelihood as jump_log_likelihood
from gyrax.dynamics import kinetic_energy as kinetic_energy
from gyrax.dynamics import langevin_terms as langevin_terms
from gyrax.dynamics import simulate as simulate
from gyrax.dynamics import solver_by_name as solver_by_name
from gyrax.dynamics import solver_names as solver_names
from gyrax.interop import world_model_from_arrays as world_model_from_arrays
from gyrax.model import Trajectory as Trajectory
from gyrax.model import WorldModel as WorldModel
