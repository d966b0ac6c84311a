"""Hamiltonian Langevin dynamics on the ball: the SDE, its solvers, its noise and its jumps."""

from gyrax.dynamics.ball_jumps import BallJumpProcess as BallJumpProcess
from gyrax.dynamics.ball_jumps import apply_jump as apply_jump
from gyrax.dynamics.brownian import PresampledPath as PresampledPath
from gyrax.dynamics.integrate import integrate as integrate
from gyrax.dynamics.jumps import JumpProcess as JumpProcess
from gyrax.dynamics.jumps import jump_probability as jump_probability
from gyrax.dynamics.langevin import langevin_terms as langevin_terms
from gyrax.dynamics.likelihood import bernoulli_log_likelihood as bernoulli_log_likelihood
from gyrax.dynamics.likelihood import jump_log_likelihood as jump_log_likelihood
from gyrax.dynamics.simulate import simulate as simulate
from gyrax.dynamics.solution import Outcome as Outcome
from gyrax.dynamics.solution import Simulation as Simulation
from gyrax.dynamics.solvers import DocumentBAOAB as DocumentBAOAB
from gyrax.dynamics.solvers import GeodesicSplitting as GeodesicSplitting
from gyrax.dynamics.solvers import Projected as Projected
from gyrax.dynamics.solvers import letters as letters
from gyrax.dynamics.solvers import noise_cells as noise_cells
from gyrax.dynamics.solvers import solver_by_name as solver_by_name
from gyrax.dynamics.solvers import solver_names as solver_names
from gyrax.dynamics.terms import Forces as Forces
from gyrax.dynamics.terms import LangevinDiffusion as LangevinDiffusion
from gyrax.dynamics.terms import LangevinDrift as LangevinDrift
from gyrax.dynamics.terms import PhaseState as PhaseState
from gyrax.dynamics.terms import kinetic_energy as kinetic_energy
