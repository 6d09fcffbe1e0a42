"""How nodes find each other."""

from typing import Final

#: How long it takes at most, in seconds. A newcomer to a graph often misses the first announcement
#: of those that are there, which Fast DDS repeats every 3 s; config/fastdds.xml has it sooner.
PATIENCE_S: Final = 6.5
