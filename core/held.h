/*
 * Signals held back on the threads of cores, because their calls would raise them and have an error
 * to return instead.
 *
 * SIGPIPE: sockets are sent to with MSG_NOSIGNAL; write(2) to a pipe without a reader has no such
 * flag (before Linux 6.18), nor have splice(2) and sendfile(2), and a ring raises the signal on the
 * thread that submits. SIGXFSZ: writing beyond RLIMIT_FSIZE raises it in the same way, wherever the
 * ring does not hand the write to a thread of its own, as with O_DIRECT.
 *
 * So a core that has streams or files over pipes, or splices, holds back the one, a core that has
 * files or streams over files the other, from the first of them to its end. The pool's threads have
 * all signals blocked.
 */
#ifndef AIO_CORE_HELD_H
#define AIO_CORE_HELD_H

#include <stdbool.h>

struct aio__core;

enum aio__held_kind {
    AIO__HELD_PIPE,
    AIO__HELD_XFSZ,
    AIO__HELD_COUNT,
};

/* Holds the signal back; on the core's thread. Nothing if the core does so already. */
void aio__held_take(struct aio__core *core, enum aio__held_kind kind);

/* The core ends. With the last of the thread's cores that holds a signal back, takes away what the
 * thread has raised since, unless one was pending before, and lets the signal through again if it
 * was. One that was sent to the process is for those who hear it. */
void aio__held_give(struct aio__core *core);

/* In a child of fork(2), which has the mask of the thread that forked, and no cores. */
void aio__held_forked(void);

#endif
