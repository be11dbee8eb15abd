/*
 * Threads that let through the signals which cores hold back on theirs (core/held.h): with every
 * thread of the process deaf to SIGPIPE, one that is sent to the process would wait in the kernel
 * and no subscription hear of it. What a core's own calls raise is for its thread alone, and stays
 * held back.
 *
 * All of it with the lock of the dispositions held. A set of signals is a word, as there.
 */
#ifndef AIO_OS_SIGNAL_EAR_H
#define AIO_OS_SIGNAL_EAR_H

#include <stdint.h>

/* Somebody's handler has the signals of the set now: those of them that cores may hold back get a
 * thread. Returns 0; -EAGAIN when there is none to be had. */
int aio__ear_open(uint64_t set);

/* Before the former dispositions come back: they are not for these threads. */
void aio__ear_close(uint64_t set);

/* In a child of fork(2), which has none. */
void aio__ear_forked(void);

#endif
