/*
 * The fault shim: a backend that wraps another one and makes happen, often and reproducibly, what
 * kernels do rarely: short transfers, late and reordered completions, cancellations that lose the
 * race or arrive late, wake-ups too many, polls that return early. It keeps the contract of
 * core/backend.h and holds its callers to theirs.
 *
 * Every op above has a copy of its own below (an entry), so that lengths and vectors can be cut
 * without touching the caller's, and a completion can be kept back while above the op is still in
 * flight. A stream op's entry lives until the op has ended with an error.
 */
#ifndef AIO_TESTS_FAULTS_FAULTS_H
#define AIO_TESTS_FAULTS_FAULTS_H

#include "core/backend.h"

#include <sys/uio.h>

struct fault_entry {
    struct aio__op op; /* what goes down; first member */
    struct aio__op *outer;
    struct fault_entry *next; /* in the free list */
    struct msghdr header;     /* of RECVMSG and SENDMSG, over vectors */
    struct iovec *vectors;
    size_t vectors_capacity;
    int polls_left;   /* kept back until so many polls have passed */
    int64_t until_ns; /* and this time */
    int cancel_polls; /* a cancel is forwarded after so many polls */
    bool canceled;
    bool cancel_waits; /* on the list of cancels, which names this entry until it is looked at */
};

struct fault_entries {
    struct fault_entry **items;
    size_t count;
    size_t capacity;
};

struct faults {
    struct aio__backend base;          /* first member */
    struct aio__backend_vtable vtable; /* with the name of the inner one */
    struct aio__backend *inner;
    uint64_t random_state;
    _Atomic unsigned wakeups;
    bool watched; /* by somebody else's loop */
    struct fault_entry *free_entries;
    size_t live; /* entries in use, armed stream ops included */
    struct fault_entries held;
    struct fault_entries cancels;
    struct fault_entries due; /* scratch of fault_release */
    uint32_t *fd_entries;     /* by descriptor: entries in use */
    size_t fd_capacity;
};

/* A number below limit. */
uint32_t fault_random(struct faults *faults, uint32_t limit);

void fault_entries_add(struct fault_entries *list, struct fault_entry *entry);

/* Takes a fresh entry for outer, cut short where that means something. */
struct fault_entry *fault_entry_open(struct faults *faults, struct aio__op *outer);

/* What the entry's completion changes in the outer op's message. */
void fault_entry_restore(struct fault_entry *entry);

void fault_entry_close(struct faults *faults, struct fault_entry *entry);

/* Frees all memory of entries; none may be in use. */
void fault_entries_free(struct faults *faults);

#endif
