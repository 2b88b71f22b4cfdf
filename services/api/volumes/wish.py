"""What counts of an app's volumes themselves, whichever release mounts them. The runtime is told of it."""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from services.api.apps.models import AppRow


class Wish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`AppRow.volumes` is JSON of it; `Desired` says what `copies` and `purge` mean.

    `filling`: the number of the copy that the last restore of a volume makes, or made in vain. It alone may become the volume.
    """

    copies: dict[str, int] = {}
    purge: tuple[str, ...] = ()
    filling: dict[str, int] = {}


_decoder = msgspec.json.Decoder(Wish)


def wish_of(app: "AppRow") -> Wish:
    return _decoder.decode(app.volumes)


def set_wish(app: "AppRow", wish: Wish) -> None:
    app.volumes = msgspec.json.encode(wish).decode()
