import subprocess
from pathlib import Path
def resnap(f):
    s = Path("/tmp/mine/snap")/f; s.parent.mkdir(parents=True, exist_ok=True); s.write_bytes(Path(f).read_bytes())
def sub(f, *pairs, snap=True):
    if snap: resnap(f)
    p = Path(f); t = p.read_text()
    for a, b in pairs:
        assert a in t, (f, a)
        t = t.replace(a, b)
    p.write_text(t)
sub("volant/proto/method.py", ('"vm": ("vm_config", "vm_explain", "vm_watch")', '"vm": ("vm_call", "vm_config", "vm_explain", "vm_lease", "vm_watch")'))
sub("volant/proto/api/guest.py", ("from volant.proto.api.vm import Copied, Done, ExecResult, ExecStarted, HttpHead, LogLine\n", "from volant.proto.api.vm import Copied, Done, ExecResult, ExecStarted, LogLine\nfrom volant.proto.api.vm_call import HttpHead\n"),
 ("    exit_code: int | None = None\n", "    exit_code: int | None = None\n    \"\"\"Of a workload that ended, as a shell says it: 128 + signal when killed by one; 126 and 127 when it could not be started.\"\"\"\n    signal: int = 0\n    \"\"\"What killed the workload; 0 when it exited by itself, or lives.\"\"\"\n"),
 ("    since: str = \"\"\n    follow: bool = False\n", "    since: str = \"\"\n    after: int = 0\n    \"\"\"Only lines with a greater number.\"\"\"\n    follow: bool = False\n"))
sub("volant/daemon/hypervisors/fake/agent.py", ("from volant.proto.api.vm import Done, ExecResult, ExecStarted, HttpHead, LogLine\n", "from volant.proto.api.vm import Done, ExecResult, ExecStarted, LogLine\nfrom volant.proto.api.vm_call import HttpHead\n"))
sub("volant/daemon/vms/actions.py", ("from volant.proto.api.vm import Action, CallVm\n", "from volant.proto.api.vm_call import Action, CallVm\n"))
sub("volant/daemon/vms/views.py", ("from volant.proto.api.vm import MAX_PAGE, Action, ListVms, VmView\n", "from volant.proto.api.vm import MAX_PAGE, ListVms, VmView\nfrom volant.proto.api.vm_call import Action\n"))
sub("volant/daemon/vms/roster.py", ("from volant.proto.api.vm import Action, CallVm, CreateVm, DeleteVm, ListVms, RestartVm, StartVm, StopVm, VmView, WaitVm\n", "from volant.proto.api.vm import CreateVm, DeleteVm, ListVms, RestartVm, StartVm, StopVm, VmView, WaitVm\nfrom volant.proto.api.vm_call import Action, CallVm\n"))
sub("volant/daemon/rpc/app.py", ("from volant.proto.api.vm import Action, CallVm, CreateVm, DeleteVm, ListVms, RestartVm, StartVm, StopVm, VmName, VmView, WaitVm\n", "from volant.proto.api.vm import CreateVm, DeleteVm, ListVms, RestartVm, StartVm, StopVm, VmName, VmView, WaitVm\nfrom volant.proto.api.vm_call import Action, CallVm\n"))
sub("volant/daemon/rpc/handlers/vm.py", ("from volant.proto.api import vm as api\n", "from volant.proto.api import vm as api\nfrom volant.proto.api import vm_call\n"), ("api.ACTIONS", "vm_call.ACTIONS"), ("api.Actions", "vm_call.Actions"))
sub("volant/daemon/rpc/handlers/guest.py", ("from volant.proto.api import vm as api\n", "from volant.proto.api import vm as api\nfrom volant.proto.api import vm_call\n"), ("@handles(api.CALL)", "@handles(vm_call.CALL)"), ("asked: api.CallVm", "asked: vm_call.CallVm"))
sub("tests/daemon/vms/test_orchestrator.py", ("from volant.proto.api.vm import CallVm, CreateVm, DeleteVm, ListVms, RestartVm, StartVm, StopVm, WaitVm\n", "from volant.proto.api.vm import CreateVm, DeleteVm, ListVms, RestartVm, StartVm, StopVm, WaitVm\nfrom volant.proto.api.vm_call import CallVm\n"))
TOKEN = '''    lease_token: int = 0
    """Refused (Fenced) unless this is the token of the VM's lease now; 0: whoever holds it."""
'''
vm = Path("volant/proto/api/vm.py"); t = vm.read_text()
t = t.replace("from volant.proto.specs.states import", "from volant.proto.specs.leases import NewLease, VmLease\nfrom volant.proto.specs.states import", 1)
a = "\n\n@dataclass(frozen=True, slots=True, kw_only=True)\nclass CreateVm:"
assert a in t
t = t.replace(a, '''
    exit_code: int | None = None
    """Of the workload that ended in the latest boot, as a shell says it: 128 + signal when killed by one. Null: it has not."""
    exit_signal: int = 0
    """What killed it; 0 when it exited by itself."""
    lease: VmLease | None = None
    """Who runs it; null when nobody ever held it."""
'''.lstrip("\n") + a, 1)
a = "    start: bool = True\n    wait: WaitFor | None = None\n"
assert t.count(a) == 1
t = t.replace(a, '''    lease: NewLease | None = None
    """Whoever makes it holds it from the first moment on; `vm.hold` goes on from there."""
''' + a)
for cls in ("class StartVm:", "class StopVm:", "class DeleteVm:"):
    i = t.index(cls); j = t.index("\n\n\n", i)
    t = t[:j] + "\n" + TOKEN.rstrip("\n") + t[j:]
a = '''    since: str = ""
    """RFC 3339 instant; only lines after it."""
'''
assert a in t
t = t.replace(a, a + '''    after: int = 0
    """Only lines with a greater number; those of an agent that does not know this come all the same."""
''')
a = '''    follow: bool = True
    """False: the history only, then the call ends."""
'''
assert a in t
t = t.replace(a, '''    from_offset: int | None = None
    """Begin with this byte of the line instead; a `ConsolePlace` then tells where bytes really begin, and after which some are lost."""
''' + a + '''

@dataclass(frozen=True, slots=True)
class ConsolePlace:
    """Where the bytes that follow stand, counted from the line's first byte ever; comes only when `from_offset` was asked."""

    offset: int
''')
a = '''shape=Shape.BYTES, channels=(IN, OUT), changes=True)
)  # fmt: skip
'''
assert t.endswith(a)
t = t[:-len(a)] + a.replace("channels=(IN, OUT)", "item=ConsolePlace, channels=(IN, OUT)")
for name in ('"start a VM", faults=(*LOOKUP, errors.Denied, ', '"stop a VM: ask, wait, then kill", faults=(*LOOKUP, errors.Denied, ', '"destroy a VM and all it had", faults=(*LOOKUP, errors.Denied, '):
    assert name in t
    t = t.replace(name, name + "errors.Fenced, ")
vm.write_text(t)
