"""Replace this process by a program that ends with its parent, and that another user may run.

    python -I -S memory/embedded/launch.py [--uid N --gid N] SIGNAL PROGRAM [ARGUMENT ...]

SIGNAL is the number of the signal that the kernel sends the program when its parent dies, however that happens. Linux
only. `setpriv` of util-linux does the same; it is not part of every container, and this is.
"""

import argparse
import ctypes
import os

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, argument: int, value: int = 0) -> None:
    """Call prctl(2). Raises OSError."""
    if libc.prctl(option, *map(ctypes.c_ulong, (argument, value, 0, 0))):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def become(uid: int, gid: int, capability: int) -> None:
    """Be this user from now on, with one of root's capabilities, which the programs it starts inherit.

    Where root does not have that one, as in a container that drops all of them, the user goes without it.
    """
    prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    only = 1 << capability
    sets = (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)  # effective, permitted, inheritable; then 32 to 63
    if libc.capset(header, sets) == 0:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("signal", type=int)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    parent = os.getppid()
    if given.uid is not None:
        become(given.uid, given.gid, CAP_DAC_OVERRIDE)  # its data may lie below directories that only root can enter
    prctl(PR_SET_PDEATHSIG, given.signal)  # after the change of user, which would undo it
    if os.getppid() != parent:  # it died before the kernel was told
        os.kill(os.getpid(), given.signal)
    os.execv(given.command[0], given.command)  # noqa: S606 - our own command, no shell


if __name__ == "__main__":
    main()
