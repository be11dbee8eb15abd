/*
 * What the tests of processes share: shell commands with their output in a file without a name, and
 * a look at what is left of them.
 */
#ifndef AIO_TESTS_BEHAVIOUR_PROCESS_TOOLS_H
#define AIO_TESTS_BEHAVIOUR_PROCESS_TOOLS_H

#include "tests/behaviour/task_tools.h"

#include <aio/process.h>

/* A file in memory for a child's output. */
int output_open(void);

/* Reads the file from its beginning, with a NUL, and closes it. */
void output_take(int fd, char *text, size_t size);

/* Spawns `sh -c script`. Returns NULL, with a failure recorded, when that is refused. */
struct aio_process *shell_spawn(const char *script, const struct aio_process_options *options);

/* Spawns one that goes on until a signal comes. */
struct aio_process *endless_spawn(void);

/* Waits for the end and closes. Returns the exit code, or minus the signal. */
int process_end(struct aio_process *process);

/* Runs `sh -c script` to its end, with the options and its output in text. Returns as process_end.
 */
int shell_run(const char *script, struct aio_process_options options, char *text, size_t size);

/* What the script prints is this. */
void shell_prints(const char *script, struct aio_process_options options, const char *wanted);

/* Waits until a process exists no more, or is a zombie. */
bool process_wait_gone(pid_t pid);

/* Waits until a child has removed a file, to say how far it is. */
bool file_wait_gone(const char *path);

/* Whether there is setpriv(1) of util-linux, by which a child changes its user; skips the test if
 * not. */
bool setpriv_is_there(void);

/* Whether this thread may send signals to others' processes, as root may: false takes that away.
 * Returns false, with the test skipped, where the thread has no such right. */
bool may_signal_others(bool may);

/* No child of ours exists, not even as a zombie. */
void no_children(void);

#endif
