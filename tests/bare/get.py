"""`get.py ROOT_CERTIFICATE URL`: a GET that trusts that certificate alone; a bare machine has no curl."""

import ssl
import sys
import urllib.request

trust = ssl.create_default_context(cafile=sys.argv[1])
with urllib.request.urlopen(sys.argv[2], context=trust, timeout=10) as answer:  # noqa: S310 - the caller's own https address
    sys.stdout.write(f"{answer.status} {answer.read().decode()}\n")
