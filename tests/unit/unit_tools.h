/*
 * What the unit tests share: finding out that something ends the process, and runtimes.
 */
#ifndef AIO_TESTS_UNIT_TOOLS_H
#define AIO_TESTS_UNIT_TOOLS_H

#include "tests/harness/harness.h"

/*
 * Runs body(arg) in a forked process, its standard error closed. Returns the number of the signal
 * that killed it, 0 when it exited with 0, 1000 + status when it exited otherwise.
 */
int unit_end_of(void (*body)(void *arg), void *arg);

/* What unit_end_of gives for a fault, which a sanitizer turns into an exit of its own. */
bool unit_faulted(int end);

/* Runs entry(arg) on each backend that can be had here. It begins with unit_entered(arg). Valgrind
 * keeps its one lock while a thread waits in io_uring_enter, and threads of the pool would never
 * run: there it is epoll alone. */
void unit_on_each_backend(int (*entry)(void *arg));
int unit_entered(void *arg);

#endif
