"""Steps of the plan as commands of HAProxy's runtime socket."""

from services.router.files import Files
from services.router.plan import AddCertificate, AddServer, MapHost, RemoveCertificate, SetServer, Step, UnmapHost
from services.router.render import endpoint


def of(step: Step, files: Files) -> list[str]:
    match step:
        case AddServer():
            return [f"add server {step.backend}/{step.name} {endpoint(step.address, step.port)}"]
        case SetServer():
            return [f"set server {step.backend}/{step.name} state {step.state}"]
        case MapHost():
            return [f"{'set' if step.known else 'add'} map {files.host_map} {step.host} {step.backend}"]
        case UnmapHost():
            return [f"del map {files.host_map} {step.host}"]
        case AddCertificate():
            path = files.certificate(step.host)
            return [f"new ssl cert {path}", *renew(step.host, files), f"add ssl crt-list {files.crt_list} <<\n{path} {step.host}\n"]
        case RemoveCertificate():
            path = files.certificate(step.host)
            return [f"del ssl crt-list {files.crt_list} {path}", f"del ssl cert {path}"]


def renew(host: str, files: Files) -> list[str]:
    """Give the proxy what the file holds now. HAProxy ends a payload at the first blank line: the file has none."""
    path = files.certificate(host)
    return [f"set ssl cert {path} <<\n{path.read_text(encoding='utf-8').strip()}\n", f"commit ssl cert {path}"]
