"""The networks of the peers: models.txt names repository, commit, path and SHA-256 of each file."""

import hashlib
import pathlib
import urllib.request

HERE = pathlib.Path(__file__).parent
SOURCE = "https://raw.githubusercontent.com"


def listed():
    """File name, repository, commit, path and SHA-256 of each network."""
    return [line.split() for line in (HERE / "models.txt").read_text().splitlines() if not line.startswith("#")]


def is_it(file, digest):
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == digest


def fetch(folder):
    """Fetches what is missing into `folder`. Why it could not, in words; None if all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, repository, commit, path, digest in listed():
        if is_it(folder / name, digest):
            continue
        address = f"{SOURCE}/{repository}/{commit}/{path}"
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                data = answer.read()
        except OSError as e:
            return (f"{address} cannot be fetched: {e}. Without a network, put the files that models.txt names into a folder "
                    "and give it by --models")
        if hashlib.sha256(data).hexdigest() != digest:
            return f"{address} is another file than in models.txt: its SHA-256 differs"
        (folder / name).write_bytes(data)
    return None


def missing(folder, prefix):
    """Why the networks whose files begin with `prefix` cannot be used; None if they can."""
    for name, *_, digest in listed():
        if name.startswith(prefix) and not is_it(folder / name, digest):
            found = "is another file than in models.txt: its SHA-256 differs" if (folder / name).is_file() else "does not exist"
            return f"{folder / name} {found}"
    return None
