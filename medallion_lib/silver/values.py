"""What is to be known of PostgreSQL's types to tell whether silver holds a value as it is."""

# Types that hold every value that they take. Others drop of an instant its hour or zone, of a text
# its end, of a number its digits, unnoticed.
WHOLE = (
    "smallint", "integer", "bigint", "numeric", "boolean", "text", "character varying", "bpchar",
    "uuid", "json", "xml", "bytea", "inet", "cidr", "macaddr", "macaddr8", "numrange",
)  # fmt: skip
# What values of a type are read as, and compared, where silver writes them otherwise than the
# source. Of any other type they must be written alike.
READ_AS = {
    **dict.fromkeys(("numeric", "real", "double precision", "money"), "numeric"),
    "timestamp without time zone": "timestamptz", "timestamp with time zone": "timestamptz",
    "tsrange": "tstzrange", "tstzrange": "tstzrange",
    "tsmultirange": "tstzmultirange", "tstzmultirange": "tstzmultirange",
    "bpchar": "bpchar", "interval": "interval",
}  # fmt: skip
# In the text of a time: what is another time tomorrow, and what is beyond microseconds.
TIMES = ("timestamptz", "tstz", "interval")
NO_TIME = r"now|to(day|morrow)|yesterday|\.\d{6}\d*[1-9]"
# Types whose equal values are written alike.
PLAIN = ("smallint", "integer", "bigint", "date", "timestamp with time zone", "uuid")
