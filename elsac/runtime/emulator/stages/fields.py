"""Where things stand in the tables of the stages (`layout.py` writes them, the kernels read them).

A line of `tables` is a run of 64-bit integers; the names below are places in such a line. Addresses
lead into `tables` itself or into the array that the comment names.
"""

# Heads of `tables`.
GROUP_COUNT, GROUPS, ALPHABET, FORMAT, CLOSES = range(5)
HALF, ALL_ROWS = 5, 6  # size of half a spike list; rows of all stages
HEADS = 7

# One stage. A group of stages has a line as well: it tells of all their columns, and of MEMBERS.
(
    THREAD,
    KIND,  # NOTHING .. INJECT
    ROWS,
    COLUMNS,
    WORDS,  # masks of 64 columns to a row
    SENDS,
    WIDE,  # 1: membranes of 32 bits, 0: of 16
    MEMBRANES,  # charges, in the membranes of that width; then the two bounds of the present stair
    UP,  # the charge from which the tracer moves up
    DOWN,  # the charge below which it moves down
    TRACERS,  # in the tracers
    LO,
    HI,
    STAIRS,  # in the stairs: [class][column][least .. lo+1..hi .. most]
    CLASSES,  # of each row, in tables; -1: class 0 everywhere
    MASKS,  # in the masks: [step][row][up, down][word]
    SIZES,  # in the sizes: [step][row][column] exponents of spikes; -1: see SHIFTS
    SHIFTS,  # in the state: [step] the exponent of all spikes
    FIRST_ROW,  # of all rows of the program: marks, and what is recorded
    COPY,  # in the copies: the tracers that `max` sees, [spine][column]
    COPY_LINES,
    COPY_COLUMNS,
    INPUT,  # in the wishes
    CODING,
    FIRST_LINK,
    LINK_COUNT,
    FIRST_PORT,
    PORT_COUNT,
    HOPS,  # [rows] links that a flit of the row crosses
    FIRST_TREE,
    TREE_COUNT,
    WINDOW,  # of `max`: (row, column) of outputs and kernel, see `layout.py`
    PLANES,  # in the state: bit planes of the input
    EVERY_STEP,  # [opcodes] words that run in every step
    EVENTS,  # handlers that run in every step
    COLUMN_BASE,
    FOLD,  # steps whose dense sums are made at once
    ACTIVE,  # in the numbers: [step] spikes of all rows
    AWAKE,  # in the numbers: whether rows may spike although they hear nothing
    STRIDE,  # from the charges of a row to those of the next
    MEMBER,  # of a group: the first of its stages, which follow one another
    MEMBERS,
) = range(42)
STAGE_WIDTH = 42
NOTHING, FIRE, MAX, FLOW, INJECT = range(5)

# One link.
(
    LINK_KIND,
    LINK_SHIFT,
    FORM,
    LOW,  # first channel
    INPUTS,
    WIDTH,  # columns that one spike feeds
    PER_GROUP,
    VERTICAL,  # [line] the first of its runs; there (membrane, weights, row) each
    HORIZONTAL,  # [column] the first of its runs; (membrane, weights, step, width, row, rows)
    LINK_WIDTH,  # spines in a line
    WEIGHT_PLANES,
    PLANE,  # of each: (address in the weights, most rows to a sum, whether sums fit a byte)
    CONSTANTS,  # of `add`, in tables
    BASE,  # of `trace`; for `scat` the address of its pairs' bounds
    TARGETS,  # of `scat`
    FIRST_BAND,
    BAND_COUNT,
    DENSE,  # see `density.py`; -1: never
    OFFSET,  # the group's column that is column 0 of the link
) = range(19)
LINK_WIDTH_OF_LINE = 19
ACC, ADD, TRACE, SCAT = range(4)
PLAIN, DEPTHWISE, GROUPED = range(3)

# What a link needs to run dense; then its geometry (`dense.py`).
(
    SLOTS,  # in the numbers: [step of a fold] its map among those that are dense, or -1
    PACKED,
    STARTS,
    SUMS,
    MAP_HEIGHT,
    MAP_WIDTH,
    PIXEL,
    PAD_TOP,
    PAD_LEFT,
    PRODUCTS,  # of a step
    RUNS,  # of a spine, on average, in thousandths
    GEOMETRY,
) = range(12)

# One band of a link: ports that bring the same lines.
TOP, BAND_PORT, BAND_PORTS, BAND_FIRST, BAND_STOP = range(5)
BAND_WIDTH = 5

# One port.
(
    SOURCE,  # the source's stage, in tables
    FIRST,
    STOP,
    PORT_BASE,
    PORT_KIND,  # of its link; -1 for nothing
    LINES,  # [line] pairs of the window's vertical axis
    PLACES,  # [column] of the horizontal one
    PORT_LINE,  # spines in a line
    PORT_WIDTH,  # SOPs of a spike to a pair; 0 where none count
    PORT_LOW,
    PORT_INPUTS,
) = range(11)
PORT_FIELDS = 11

# One multicast tree: its links, and the rows that end the step for its readers.
TREE_LINKS, TREE_ROWS, TREE_ROW_COUNT = range(3)
TREE_WIDTH = 3

# What is counted for each thread in each step.
POSITIVE, NEGATIVE, SOPS, PACKETS, FLIT_HOPS, HANDLED = range(6)
COUNTS = 6
