import sys
from pathlib import Path

# The stand-ins of this room.
sys.path.append(str(Path(__file__).parent))
