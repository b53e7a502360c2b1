import re
from pathlib import Path
p = Path("volant/proto/api/vm.py"); t = p.read_text()
start = t.index('@dataclass(frozen=True, slots=True, kw_only=True)\nclass CallVm:')
end = t.index('_LOOKUP = (')
block = t[start:end]
t = t[:start] + t[end:]
ms = t.index('ACTIONS = NOUN.add('); me = t.index('EXEC = NOUN.add(')
methods = t[ms:me]
t = t[:ms] + t[me:]
def ren(s):
    for a, b in (("_LOOKUP", "LOOKUP"), ("_AGENT", "AGENT"), ("_IN", "IN"), ("_OUT", "OUT"), ("_ERR", "ERR")):
        s = re.sub(rf"(?<![A-Z_]){a}\b", b, s)
    return s
t = ren(t); methods = ren(methods)
t = t.replace('LOOKUP = (errors', '''LOOKUP = (errors''')
p.write_text(t)
Path("volant/proto/api/vm_call.py").write_text('''"""Calls to a VM's workload: its plugin's actions, and any HTTP request. They belong to the noun `vm`."""

from __future__ import annotations

from dataclasses import dataclass

from volant.proto import errors
from volant.proto.api.vm import AGENT, IN, LOOKUP, NOUN, OUT, Done, VmName
from volant.proto.method import Http, Method, Shape


''' + block.rstrip() + "\n\n\n" + methods.rstrip() + "\n")
