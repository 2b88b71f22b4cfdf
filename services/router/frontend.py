"""The frontend of HAProxy's configuration: what becomes of a request before it reaches an app or the API."""

from services.router import maps, pages, placed, timing
from services.router.answers import answers
from services.router.entries import ASLEEP, PAUSED
from services.router.files import Files
from services.router.frame import API, Frame, port_in_url
from services.router.settings import Settings

_PROBE = "{ var(txn.probe) -m bool }"
_NO_SERVER = "{ var(txn.backend),nbsrv eq 0 }"
_ASKS = 'hdr WWW-Authenticate "Basic realm=\\"%[var(txn.host)]\\", charset=\\"UTF-8\\""'


def rules(frame: Frame) -> list[str]:
    """The section's lines, in the order in which a request meets them."""
    settings, files = frame.settings, frame.files
    plain = [f"bind {bind.format(port=settings.http_port)}" for bind in frame.binds]
    secret = [f"bind {bind.format(port=settings.https_port)} ssl crt-list {files.crt_list} alpn h2,http/1.1" for bind in frame.binds]
    redirect = f"https://%[var(txn.host)]{port_in_url(settings)}%[pathq]"
    known = "{ var(txn.backend) -m found }"
    return [
        *plain,
        *(secret if settings.tls != "off" else []),
        "http-request set-var(txn.begun) date(0,us)",
        "http-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)",
        f"http-request set-var(txn.entry) var(txn.host),map({files.host_map})",
        "http-request set-var(txn.backend) var(txn.entry),field(1,/) if { var(txn.entry) -m found }",
        "http-request set-var-fmt(txn.id) req_%[uuid()]",
        "http-request set-var(txn.id) req.hdr(x-request-id) if { req.hdr(x-request-id) -m reg ^[A-Za-z0-9._-]{1,128}$ }",
        *_challenge(files),
        *answers(pages.UNKNOWN_HOST, f"!{known}", files),
        f"http-request set-var(txn.probe) bool(true) if {{ req.hdr(x-dockup-probe) -m str {frame.probe_token} }}",
        *_sent_on(settings, files),
        *([f"http-request redirect location {redirect} code 308 unless {{ ssl_fc }} || {_plain(files)}"] if settings.tls != "off" else []),
        *_kept_out(files),
        *_told(files),
        *_forwarded(),
        "http-request del-header x-dockup-probe",
        "http-response del-header x-dockup-replica",
        f"http-response set-header X-Dockup-Replica %s if {{ var(txn.probe) -m bool }} !{{ var(txn.backend) -m str {API} }}",
        *timing.rules(),
        f"use_backend {placed.BACKEND} if {placed.TOLD} {_NO_SERVER}",
        "use_backend %[var(txn.backend)]",
    ]


def _told(files: Files) -> list[str]:
    """Apps that sleep, stand still or do not run.

    A worker that a reload replaced counts no server as usable and takes none into use, yet still serves its open connections: it asks.
    """
    state = "{ var(txn.entry),field(2,/) -m str"
    return [
        f"http-request lua.wake if {state} {ASLEEP} }} !{_PROBE}",
        f"http-request lua.place if {{ stopping }} !{state} {ASLEEP} }} !{_PROBE} !{{ var(txn.backend) -m str {API} }}",
        *answers(pages.APP_WAKING, f"{{ var(txn.woken) -m str late away }} {_NO_SERVER}", files),
        *answers(pages.APP_PAUSED, f"{{ var(txn.woken) -m str {PAUSED} }} {_NO_SERVER}", files),
        *answers(pages.APP_NOT_RUNNING, "{ stopping } { var(txn.woken) -m str failed }", files),
        *answers(pages.APP_PAUSED, f"{state} {PAUSED} }} {_NO_SERVER} !{{ stopping }} !{placed.TOLD}", files),
        *answers(pages.APP_NOT_RUNNING, f"{_NO_SERVER} !{{ stopping }} !{placed.TOLD}", files),
    ]


def _plain(files: Files) -> str:
    return f"{{ var(txn.host),map({files.map(maps.PLAIN)}) -m found }}"


def _sent_on(settings: Settings, files: Files) -> list[str]:
    """Hosts that lead to another host. The probe of a deployment asks for the app itself."""
    scheme = "http" if settings.tls == "off" else "https"
    to = f"{scheme}://%[var(txn.redirect),field(2,/)]%[pathq]"
    found = "{ var(txn.redirect),field(1,/) -m str"
    return [
        f"http-request set-var(txn.redirect) var(txn.host),map({files.map(maps.REDIRECT)}) if !{_PROBE}",
        *(f"http-request redirect location {to} code {code} if {found} {code} }}" for code in (301, 302, 307, 308)),
    ]


def _kept_out(files: Files) -> list[str]:
    """Maintenance, and who has no password. An app never sees the password that the proxy asked for."""
    guarded = "{ var(txn.salt) -m found }"
    return [
        f"http-request set-var(txn.maintenance) var(txn.host),map({files.map(maps.MAINTENANCE)}) if !{_PROBE}",
        *answers(pages.APP_IN_MAINTENANCE, "{ var(txn.maintenance) -m found }", files, "hdr Retry-After %[var(txn.maintenance)]"),
        f"http-request set-var(txn.salt) var(txn.host),map({files.map(maps.GUARD)}) if !{_PROBE}",
        f"http-request set-var-fmt(txn.given) %[var(txn.salt)]:%[req.hdr(authorization),word(2,\\ )] if {guarded}",
        f"http-request set-var(txn.digest) var(txn.given),sha2(256),hex,lower if {guarded}",
        f"http-request set-var-fmt(txn.key) %[var(txn.host)]/%[var(txn.digest)] if {guarded}",
        f"http-request set-var(txn.passed) var(txn.key),map({files.map(maps.CREDENTIAL)}) if {guarded}",
        *answers(pages.APP_NEEDS_PASSWORD, f"{guarded} !{{ var(txn.passed) -m found }}", files, _ASKS),
        f"http-request del-header authorization if {guarded}",
    ]


def _challenge(files: Files) -> list[str]:
    """An ACME authority asks over plain HTTP; a token that is not ours may be the app's."""
    found = f"path,field(4,/),map({files.map(maps.CHALLENGE)})"
    condition = f"{{ path_beg /.well-known/acme-challenge/ }} {{ {found} -m found }}"
    return [f"http-request return status 200 content-type text/plain lf-string %[{found}] if {condition}"]


def _forwarded() -> list[str]:
    """A client's own forwarding headers are dropped, in every spelling that an app could take for them."""
    return [
        "http-request del-header ^x[-_]forwarded -m reg",
        "http-request del-header ^x[-_]real[-_]ip$ -m reg",
        "http-request del-header forwarded",
        "http-request set-header X-Forwarded-For %[src]",
        "http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]",
        "http-request set-header X-Forwarded-Host %[req.hdr(host)]",
        "http-request set-header X-Forwarded-Port %[dst_port]",
    ]
