/*
 * Runtimes in forked children: a filter, a limit or a variable of the environment is set in the
 * child, a runtime runs a round trip there, and the parent reads what it said.
 */
#ifndef AIO_TESTS_FALLBACK_CHILD_H
#define AIO_TESTS_FALLBACK_CHILD_H

#include "tests/harness/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the child is to do; fields that are zero change nothing. */
struct child {
    void (*prepare)(void);      /* in the child, before the runtime */
    const char *environment[8]; /* name, value, name, value... */
    struct aio_runtime_options options;
    void (*instead)(void); /* runs in the place of the runtime */
};

struct outcome {
    bool exited; /* as opposed to killed, or a failed preparation */
    int rc;      /* of aio_runtime_run; 0 when the round trip went well */
    bool started;
    char out[8192]; /* the backend's name, a newline, the explanation */
    char err[8192]; /* standard error */
};

enum { CHILD_UNPREPARED = 99 }; /* exit status: this system cannot do what prepare wants */

#define CHILD_OPTIONS AIO_RUNTIME_OPTIONS

/* Runs the child to its end. */
struct outcome child_run(const struct child *child);

/* The backend that the child's runtime chose. */
bool outcome_chose(const struct outcome *outcome, const char *backend);

/* Whether the text contains the words, else a failure that prints the text. */
bool text_has(const char *text, const char *words);

/* Whether a backend can be had here when nothing is in its way. */
bool backend_works(const char *backend);

#endif
