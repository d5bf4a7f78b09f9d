"""Labels of boards: a name, and codes for the setup network and the dashboard; on paper."""

from motekit.labels.layout import Label
from motekit.labels.paper import LabelError, render

__all__ = ["Label", "LabelError", "render"]
