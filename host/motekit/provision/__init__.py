"""Provisions boards over USB: one, or a class out of a CSV, each with its own login and label."""

from motekit.provision.board import Provisioned, provision
from motekit.provision.device import DeviceError
from motekit.provision.settings import SettingsError

__all__ = ["DeviceError", "Provisioned", "SettingsError", "provision"]
