"""Face networks from elsewhere: the one a user names, found and checked, and put in the place of a bundle's."""

import functools
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from mercli import registry, strict_json
from mercli.bundle import Bundle, FacePart
from mercli.emotions import ordered
from mercli.errors import BundleError, UsageError
from mercli.face.choice import HAAR
from mercli.face.contract import Contract
from mercli.face.spec import STATS, FaceSpec
from mercli.files import sha256
from mercli.fusion import PRODUCT
from mercli.limits import Limits, memory_share, show_size
from mercli.registry import added

_CONTRACT_LIMIT = 1 << 20  # bytes
_PATIENCE_S, _MOST_MEMORY = 300.0, 4 << 30  # for a network that is tried with four crops


@dataclass(frozen=True, slots=True)
class OutsideNetwork:
    """Say which network judges faces in place of a bundle's: small, so that it travels with every task.

    Parameters
    ----------
    name : str
        What it is called.
    file : str
        Where it is.
    size_bytes : int
        Its size.
    sha256 : str
        Of its content.
    contract : Contract
        What it takes and gives.
    """

    name: str
    file: str
    size_bytes: int
    sha256: str
    contract: Contract

    @property
    def label(self) -> str:
        """Name it in a table so that it can be told from any other."""
        return f"{self.name}@{self.sha256[:12]}"

    def within(self, bundle: Bundle) -> Self:
        """Leave out the classes that a bundle does not know; a UsageError says if too few are left."""
        contract = self.contract.within(bundle.classes)
        if len(contract.known) < 2:
            raise UsageError(
                f"the face network {self.name} knows {', '.join(self.contract.known)}; fewer than two of them are "
                f"among the classes of bundle {bundle.name}: {', '.join(bundle.classes)}"
            )
        return replace(self, contract=contract)

    def spec(self, pooling: str = STATS) -> FaceSpec:
        """Say how a face vector is made behind it."""
        contract = self.contract
        detector = contract.detector or HAAR
        return FaceSpec(contract.known, contract.size_px, detector, contract.margin, 0, pooling, contract)

    def put_into(self, bundle: Bundle) -> Bundle:
        """Give a bundle whose faces this network judges: its answers for the frames, averaged.

        Of the bundle's fusions the product is kept; others learnt how the bundle's own face model errs.

        Raises
        ------
        BundleError
            If its file was changed meanwhile.
        """
        pooling = bundle.face.spec.pooling if bundle.face else STATS
        classes = ordered((*bundle.classes, *self.contract.known))
        fusion = bundle.fusion if bundle.fusion and bundle.fusion.kind == PRODUCT else None
        if classes != bundle.classes:
            fusion = None
        return replace(bundle, classes=classes, face=FacePart(self.spec(pooling), self.read()), fusion=fusion)

    def read(self) -> bytes:
        """Read its file; a BundleError says if it is no longer the same."""
        model = _read(Path(self.file), self.size_bytes)
        if sha256(model) != self.sha256:
            raise BundleError(f"the face network {self.file} was changed while the run was going on")
        return model


def find(name: str) -> OutsideNetwork:
    """Find the network that a user names.

    Parameters
    ----------
    name : str
        Of the registry; or an ONNX file that has its contract beside it, under the same name with ``.json``.

    Returns
    -------
    OutsideNetwork
        Its content was hashed a moment ago; it was not opened.

    Raises
    ------
    UsageError
        If there is none, it is not on this machine, or its contract is not understood.
    """
    if name in registry.names():
        known = registry.find(name)
        if known.contract is None:
            raise UsageError(f"{name} {known.use.split(':')[0]}; --face-network takes one that names emotions")
        place = registry.pulled(name)
        return OutsideNetwork(name, str(place), known.size_bytes, known.sha256, known.contract)
    path = Path(name)
    if path.suffix.lower() != ".onnx":
        raise UsageError(
            f"no face network {name!r}; there is {', '.join(_usable())}, and any .onnx file with its contract "
            "beside it"
        )
    beside = path.with_suffix(".json")
    model = read_model(path)
    if not _exists(beside):
        raise UsageError(
            f"{path} has no contract beside it: write {beside}, which says what the network takes and gives"
        )
    return OutsideNetwork(
        added.name_for(path), str(path.resolve()), len(model), sha256(model), read_contract(beside)
    )


def read_contract(path: Path) -> Contract:
    """Read a contract; a UsageError says what is wrong with it."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for its other end
            raise UsageError(f"the contract {path} is not a file")
        with path.open("rb") as file:
            text = file.read(_CONTRACT_LIMIT + 1)
        if len(text) > _CONTRACT_LIMIT:
            raise UsageError(f"the contract {path} is over {_CONTRACT_LIMIT >> 20} MB, so it is none")
        data = strict_json.loads(text)
    except OSError as error:
        raise UsageError(f"the contract {path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the contract {path} is not JSON ({error})") from error
    try:
        return Contract.from_json(data)
    except ValueError as error:
        raise UsageError(f"the contract {path}: {error}") from error


def read_model(path: Path) -> bytes:
    """Read a network's file; a UsageError says if that cannot be."""
    try:
        return _read(path, None)
    except BundleError as error:
        raise UsageError(str(error)) from error


def add(file: Path, contract: Path, name: str | None = None, *, overwrite: bool = False) -> registry.KnownNetwork:
    """Try a network by its contract, in a worker of its own, and keep a copy of both in the cache.

    Parameters
    ----------
    file : Path
        An ONNX file.
    contract : Path
        Its contract, a JSON file.
    name : str, optional
        What to call it; without it, like the file.
    overwrite : bool
        Whether another network of that name may be replaced.

    Returns
    -------
    KnownNetwork
        As it is kept.

    Raises
    ------
    UsageError
        If a file cannot be read, the contract is not understood, or the name is taken.
    BundleError
        If the network does not do what its contract says.
    """
    name = added.name_for(file) if name is None else name
    added.refuse_name(name)
    agreed, model = read_contract(contract), read_model(file)
    if not overwrite:
        added.refuse_other(name, sha256(model), agreed)
    try_network(OutsideNetwork(name, str(file.resolve()), len(model), sha256(model), agreed))
    return added.add(name, model, agreed, overwrite=overwrite)


def try_network(network: OutsideNetwork) -> None:
    """Try a network in a worker: what it does to its process is then no harm.

    Raises
    ------
    UsageError
        If its worker does not live to try it.
    BundleError
        If it does not do what its contract says.
    """
    from mercli import batch
    from mercli.worker import Lost

    path, limits = Path(network.file), Limits(_PATIENCE_S, min(_MOST_MEMORY, memory_share(1)))
    ((_, tried),) = batch.run(functools.partial(_try, network=network), [path], jobs=1, limits=limits)
    if isinstance(tried, Lost):
        within = f"{show_size(_MOST_MEMORY)} and {_PATIENCE_S:g} s"
        raise UsageError(f"the face network {path} cannot be tried within {within} ({tried.status})")
    if tried is not None:
        raise BundleError(tried)


def check(network: OutsideNetwork) -> None:
    """Try a network in this process; a BundleError says where it does not do what its contract says."""
    from mercli.soundness import check_face_network

    model = network.read()
    try:
        check_face_network(model, network.spec())
    except BundleError as error:
        raise BundleError(f"{network.file} does not fit its contract: {error}") from error


def _try(path: Path, network: OutsideNetwork) -> str | None:
    """Say what is wrong with a network; None where nothing is."""
    del path
    try:
        check(network)
    except BundleError as error:
        return str(error)
    return None


def _read(path: Path, size_bytes: int | None) -> bytes:
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):  # to open a pipe would wait for its other end
            raise BundleError(f"the face network {path} is not a file")
        if size_bytes is not None and info.st_size != size_bytes:
            raise BundleError(f"the face network {path} was changed while the run was going on")
        if info.st_size > added.LARGEST_BYTES:
            raise BundleError(f"the face network {path} is over {added.LARGEST_BYTES >> 20} MB, so it is refused")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a null
        reason = getattr(error, "strerror", None) or error
        raise BundleError(f"the face network {str(path)!r} cannot be read ({reason})") from error


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _usable() -> list[str]:
    """Name the networks of the registry that judge faces."""
    return [name for name in registry.names() if name not in registry.NETWORKS or registry.NETWORKS[name].contract]
