"""GC855: rows of repeated indices are too small, others exact."""

from gradcheck.diagnose.rule import EditKind, Rule, Traced
from gradcheck.trace import fault

RULE = Rule(
    code="GC855",
    name="duplicate-index-lost",
    what="`table[indices] += upstream` adds once for every different index: numpy buffers it.",
    shows="rows of indices that occur once are right, those of repeated ones too small.",
    example="dtable[indices] += upstream",
    instead="np.add.at(dtable, indices, upstream)",
    detector=Traced((fault.REPEATED_INDEX,)),
    edits=(EditKind.REPEATED_ENTRIES,),
)
