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
    PRODUCT,  # of a group: what it multiplies, see below; 0: nothing
    LEFT_FANS,  # [spine][segment] membranes that a spike of the left factor updates
    RIGHT_FANS,
    ROW_BASE,
    FUNCTION,  # of `softmax`, `norm` and `curve`: its line, see below
    AIMS,  # in the aims: [row][64 * words] the tracers that a function asks for
    DOUBTS,  # in the numbers: rows whose aims its tables cannot decide
) = range(49)
STAGE_WIDTH = 49
NOTHING, FIRE, MAX, FLOW, INJECT, SOFTMAX, NORM, CURVE = range(8)

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
    BASE,  # of `trace`; for `scat` the address of its pairs' bounds
    TARGETS,  # of `scat`
    FIRST_BAND,
    BAND_COUNT,
    DENSE,  # see `density.py`; -1: never
    OFFSET,  # the group's column that is column 0 of the link
) = range(18)
LINK_WIDTH_OF_LINE = 18
ACC, ADD, TRACE, SCAT, LEFT, RIGHT = range(6)
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
POSITIVE, NEGATIVE, SOPS, PACKETS, FLIT_HOPS, HANDLED, UNDECIDED = range(7)
COUNTS = 7

# A product: of each head an m x k times a k x n matrix, or element by element.
(
    ELEMENTWISE,
    HEADS_OF,
    M,
    K,
    N,
    LEFT_SIDE,  # see below
    RIGHT_SIDE,
    SUM_HEAD,  # from the sums of a head to those of the next
    SUM_ROW,
    OUT_COLUMNS,
    TURNED,  # in the factors: [head][m][k] a transposed left factor; -1: as it was delivered
    PACKS,  # in the packs: [head] of a packed right factor
    PACK,  # words of a head
    BASES,  # in the bases: [head] the sums to start from
    BASE_WIDTH,  # of a head
    HELD,  # [head][m] whether a stage holds sums of the row
    SHAPE,  # the geometry of the product of a head as a convolution, see `dense.py`
) = range(17)

# One factor of a product.
(
    FACTOR,  # in the factors: [spine][column] what has been delivered, less OFF
    SPINES,
    FACTOR_COLUMNS,
    OF_HEAD,  # in the factors, from an element to that of the next head, line, column of a matrix
    OF_ROW,
    OF_COLUMN,
    OFF,
    FEEDS,
    FEED_COUNT,
    SEGMENTS,  # ranges of columns whose spikes update equally many membranes
    TALLY,  # in the numbers: [spine][segment] spikes of a step
    FLAGS,  # in the numbers: [spine] whether it had spikes
) = range(12)
SIDE_WIDTH = 12

# Spines of a source that are elements of a factor.
FEED_SOURCE, FEED_FIRST, FEED_STOP, FEED_SPINE, FEED_COLUMN, PIECES, PIECE_COUNT = range(7)
FEED_WIDTH = 7
# Columns of a source in one segment and one word of its masks.
SEGMENT, WORD, BITS = range(3)
PIECE_WIDTH = 3

# `softmax`, `norm`, `curve`: where the numbers of the program lie, and those that are quick.
EXPS, ENTRIES, MULTIPLIER, SHIFT, ABSENT, ABSENT_CLASSES, QUICK = range(7)
SOFTMAX_WIDTH = 7  # QUICK: in the ints, the exponentials and a 0; -1: no quick way is proved
(
    THRESHOLDS,
    SIGNS,
    NORM_LO,
    LEVELS,
    FRACTION,
    EPSILON,
    EPSILON_BITS,
    RMS,
    SLOPES,  # in the floats: slope, start and margin, [columns] each; -1
    SLOPE_WIDTH,
) = range(10)
NORM_WIDTH = 10
BREAKS, PIECES_OF, STEP_TO, FIRST_LEVEL, BREAK_WIDTH, BREAK_CLASSES = range(6)
CURVE_WIDTH = 6  # [class][piece][column, or one for all] in the stairs; [piece] in tables
