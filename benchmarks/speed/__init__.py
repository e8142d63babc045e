"""Every wait of imlcull beside what the hardware could do and what a user would run instead. `make bench`.

harness.py    fresh processes, turns that alternate, memory; knows nothing of imlcull
report.py     rows to ratios, tables and the stored figures
material.py   photos, weights and warm caches; the one module that knows how the cache is filled
embed.py      embedding 24-megapixel photos
unchanged.py  embedding again when nothing changed; adding to the cache and reading it
refit.py      from an answer to the new order
finetune.py   fine-tuning, also on a GPU
culling.py    the next stage
starting.py   commands and the page until they are ready
memory.py     the most memory that a million photos take
growth.py     seconds against the number of photos
"""
