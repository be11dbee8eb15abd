/*
 * What the tests of names share: a name server on the loopback, of plain sockets that tasks watch.
 * It says what a table tells it to, in the ways that servers have of going wrong.
 */
#ifndef AIO_TESTS_BEHAVIOUR_NAMES_SUPPORT_H
#define AIO_TESTS_BEHAVIOUR_NAMES_SUPPORT_H

#include "tests/behaviour/tcp_support.h"

#include <aio/resolve.h>

enum names_kind {
    NAMES_GIVE,
    NAMES_FAIL,      /* SERVFAIL */
    NAMES_REFUSE,    /* REFUSED */
    NAMES_SILENT,    /* no answer */
    NAMES_TRUNCATE,  /* by TCP only */
    NAMES_TCP_MUTE,  /* the same, and by TCP a part of it, and no more */
    NAMES_TCP_CUT,   /* the same, and TCP ends then */
    NAMES_CUT,       /* the answer ends within a record */
    NAMES_LOOP,      /* a name that points to itself */
    NAMES_GARBAGE,   /* datagrams that are no answers, before one that is */
    NAMES_OVERSIZED, /* more than a datagram may have */
    NAMES_MUTATED,   /* the answer, with some bytes changed, cut off or added */
};

/* What is said of a name; of others, that there is none. */
struct names_entry {
    const char *name;     /* "*": any other */
    const char *v6, *v4;  /* addresses, separated by blanks; NULL: none */
    enum names_kind kind; /* of both answers */
    enum names_kind v6_kind;
    int64_t v6_delay_ns, v4_delay_ns;
    const char *alias; /* the addresses are this name's */
    bool brief_alias;  /* which holds for no time */
    uint32_t ttl;      /* seconds */
};

struct names {
    const struct names_entry *entries; /* up to one without a name */
    int udp;
    int tcp;
    char text[AIO_ADDRESS_TEXT_BYTES];
    struct aio_task *udp_task;
    struct aio_task *tcp_task;
    int delayed;   /* answers on their way */
    int asked_udp; /* questions so far */
    int asked_tcp;
};

/* Opens the server and makes the core ask it, without a hosts file, twice for 5 s and longer. Skips
 * the test where there is no c-ares. */
bool names_open(struct names *names, const struct names_entry *entries);

/* The options that names_open has set, to be changed. */
struct aio_resolve_options names_options(const struct names *names);

/* Asks for 100 ms and longer only: where there is no answer. */
void names_hurry(const struct names *names);

void names_close(struct names *names);

/* Resolves "name:80" of either family; checks that it gives these addresses, as text. */
void names_give(const char *name, const char *addresses);

/* Checks that resolving "name:80" fails so. */
void names_fail(const char *name, int error);

/* A lookup in a task of its own, of "name:80". */
struct aio_task *names_start(const char *name);

#endif
