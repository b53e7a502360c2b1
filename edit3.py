exec(open("/tmp/mine/edit1.py").read().split("sub(\"volant/proto/method.py\"")[0])
sub("volant/proto/api/vm_lease.py", ("Items: the VM now and after each change, the latest only. It ends well when the VM is gone.", "Items: the VM now and after each change, the latest only. Its result\n    means that the VM is gone, or was given back."), snap=False)
sub("volant/proto/errors.py", ('''        taken = f"is held by {holder} now" if holder else "has a newer lease"
        super().__init__(f"VM {name!r} {taken} (token {token}): this lease has ended", hint="the VM is that one's to look after", token=token)
''', '''        taken = f"is held by {holder}" if holder else "is held by nobody any more"
        super().__init__(
            f"VM {name!r} {taken} (token {token}): this lease is an older one", hint="leave the VM to its present holder", token=token
        )
'''), snap=False)
sub("volant/daemon/ports/records.py", ("from volant.proto.specs.states import", "from volant.proto.specs.leases import VmLease\nfrom volant.proto.specs.states import"),
 ('    """The version of its config that its latest boot was started with; 0 before the first."""\n', '''    """The version of its config that its latest boot was started with; 0 before the first."""
    exit_code: int | None = None
    """Of the workload that ended in the latest boot; None: it has not, or nobody knows."""
    exit_signal: int = 0
    lease: VmLease | None = None
    """The latest one; its token is never given to another holder."""
'''))
sub("volant/daemon/store/models.py", ('''    booted_config = IntegerField(constraints=[SQL("DEFAULT 0")])
''', '''    booted_config = IntegerField(constraints=[SQL("DEFAULT 0")])
'''))
m = Path("volant/daemon/store/models.py"); t = m.read_text()
i = t.index('        table_name = "vms"'); j = t.rindex("    class Meta:", 0, i)
t = t[:j].rstrip("\n") + '''
    exit_code = IntegerField(null=True)
    exit_signal = IntegerField(constraints=[SQL("DEFAULT 0")])
    lease = TextField(null=True)
    """JSON, a `VmLease`."""

''' + t[j:]
m.write_text(t)
sub("volant/daemon/store/rows.py", ("_retries_text(vm.retries), vm.host_boot,\n", "_retries_text(vm.retries), vm.host_boot, vm.exit_code, vm.exit_signal,\n        None if vm.lease is None else _encode(to_plain(vm.lease)),\n"),
 ("        booted_config, retries, host_boot,\n", "        booted_config, retries, host_boot, exit_code, exit_signal, lease,\n"),
 ("host_boot=host_boot,\n    )", 'host_boot=host_boot,\n        exit_code=exit_code, exit_signal=exit_signal, lease=read("lease", _lease, lease, None),\n    )'),
 ("def _error(text: str | None)", '''def _lease(text: str | None) -> VmLease | None:
    return None if text is None else from_plain(VmLease, _decode(text))


def _error(text: str | None)'''),
 ("from volant.proto.specs.states import", "from volant.proto.specs.leases import VmLease\nfrom volant.proto.specs.states import"))
Path("volant/daemon/store/migrations/0006_leases.py").write_text('''"""How a VM's workload ended, and who runs the VM."""

from __future__ import annotations

from typing import Any

from peewee import SqliteDatabase


def up(migrator: Any, db: SqliteDatabase) -> None:
    run: Any = db.execute_sql
    # Said in SQL, as in step 2: peewee would build the table anew.
    run("ALTER TABLE vms ADD COLUMN exit_code INTEGER")
    run("ALTER TABLE vms ADD COLUMN exit_signal INTEGER NOT NULL DEFAULT 0")
    run("ALTER TABLE vms ADD COLUMN lease TEXT")
''')
sub("volant/daemon/vms/views.py", ("        revision=record.revision,\n", "        revision=record.revision,\n        exit_code=record.exit_code,\n        exit_signal=record.exit_signal,\n        lease=record.lease,\n"))
