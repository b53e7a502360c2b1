#!/usr/bin/python3 -IS
"""The agent image's `/init`, copied there as it is: the kernel starts the interpreter, which becomes PID 1.

No shell comes before it: an interpreter is needed anyway, and loading modules and mounting by system calls from it costs
less than one program per step. `-I` and `-S` keep the environment and site-packages out.
"""

from volant.agent.main import boot

if __name__ == "__main__":
    boot()
