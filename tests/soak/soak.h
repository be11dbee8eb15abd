/*
 * Storms: what the behaviour tests do a few hundred times, a million times, on every row. A storm
 * ends after its count or its time, whichever comes first, and says how far it came.
 */
#ifndef AIO_TESTS_SOAK_H
#define AIO_TESTS_SOAK_H

#include "tests/harness/harness.h"

struct storm {
    const char *what;
    uint64_t count;
    uint64_t done;
    uint64_t told; /* tenths that were printed */
    int64_t start_ns;
    int64_t limit_ns;
};

/* A storm of about count rounds; fewer on rows and in builds that are slower. */
struct storm storm_begin(const char *what, uint64_t count);

/* Whether there is another round; prints the progress. */
bool storm_goes_on(struct storm *storm);

/* Two ends of a connection over loopback. */
struct wire {
    struct aio_stream *near;
    struct aio_stream *far;
};

bool wire_listen(struct aio_listener **out, char text[AIO_ADDRESS_TEXT_BYTES]);
bool wire_open(struct wire *wire);
void wire_close(struct wire *wire);

/* Nothing but the first task is left. */
void storm_check_end(void);

#endif
