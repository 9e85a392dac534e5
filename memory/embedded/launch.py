"""What a child process does before it runs a server's program: change its user, and end with its parent. Linux only."""

import ctypes
import os
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE, CAPABILITY_VERSION_3 = 1, 0x20080522
libc = ctypes.CDLL(None)


def prepare_child(death_signal: int, account: tuple[int, int] | None = None) -> Callable[[], None] | None:
    """A `preexec_fn` for Popen that changes to a user and group, and asks for a signal when the parent dies."""
    if sys.platform != "linux":
        return None
    parent = os.getpid()

    def prepare() -> None:
        if account:
            become(*account, CAP_DAC_OVERRIDE)  # the data may be below directories that only root can enter
        prctl(PR_SET_PDEATHSIG, death_signal)  # after the change of user, which resets it
        if os.getppid() != parent:
            os.kill(os.getpid(), death_signal)

    return prepare


def become(uid: int, gid: int, capability: int) -> None:
    """Change to this user, and keep one of root's capabilities, unless root lacks it, as in some containers."""
    prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    header, only = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), 1 << capability
    sets = (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)  # effective, permitted, inheritable; then 32 to 63
    if libc.capset(header, sets) == 0:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def prctl(option: int, *arguments: int) -> None:
    libc.prctl(option, *map(ctypes.c_ulong, (*arguments, 0, 0, 0)[:4]))
