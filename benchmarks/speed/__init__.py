"""Speed of imlcull, compared with the limits of the hardware and with the usual alternatives. `make bench`.

harness.py    fresh processes, alternating turns, memory; independent of imlcull
report.py     rows to ratios, tables and the stored figures
material.py   photos, weights and warm caches; the only module that knows how the cache is filled
embed.py      embedding 24-megapixel photos
unchanged.py  embedding again when nothing changed; writing and reading the cache
refit.py      from a label to the new order
finetune.py   fine-tuning, also on a GPU
culling.py    the next stage
starting.py   commands and the page until they are ready
memory.py     peak memory for a million photos
growth.py     seconds against the number of photos
"""
