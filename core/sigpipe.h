/*
 * SIGPIPE. Sockets are sent to with MSG_NOSIGNAL; write(2) to a pipe without a reader has no such
 * flag (before Linux 6.18), nor have splice(2) and sendfile(2), and a ring raises the signal on the
 * thread that submits. So a core that has streams or files over pipes, or splices, holds it back on
 * its thread, from the first of them to its end.
 */
#ifndef AIO_CORE_SIGPIPE_H
#define AIO_CORE_SIGPIPE_H

struct aio__core;

/* Holds the signal back; on the core's thread. Nothing if it was held back before. */
void aio__sigpipe_hold(struct aio__core *core);

/* Takes away what has come since, unless one was pending before, and lets the signal through again
 * if it was. */
void aio__sigpipe_release(struct aio__core *core);

#endif
