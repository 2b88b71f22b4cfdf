"""Apart, so that it can be asked without what a service needs."""

VERSION = "0.1.0"
