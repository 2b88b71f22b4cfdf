"""Memory of a process that has started: what is there to stay is not looked at again, what an import or a start left free goes back."""

import ctypes
import gc


def settle() -> None:
    """Collect; take what is left from the collector, which would touch, and so copy, pages that forks share; give free pages back."""
    gc.collect()
    gc.freeze()
    trim()


def trim() -> None:
    """Return the free pages of the heap to the kernel (`malloc_trim(3)` of glibc); nothing where the C library has no such call."""
    call = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if call is not None:
        call(0)
