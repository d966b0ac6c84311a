"""The atlas: charts, codes, encoder and decoder."""

from gyrax.atlas.decoder import Decoder as Decoder
from gyrax.atlas.encoder import Encoder as Encoder
from gyrax.atlas.encoder import Encoding as Encoding
