"""Giving memory back that an import or a start has left free."""

import ctypes


def trim() -> None:
    """Return the free pages of the heap to the kernel (`malloc_trim(3)` of glibc); nothing where the C library has no such call."""
    call = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if call is not None:
        call(0)
