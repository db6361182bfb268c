"""Layer Census: what share of CoreOS machines carry locally layered packages that are not CoreOS extensions."""

__version__ = "0.1.0"
