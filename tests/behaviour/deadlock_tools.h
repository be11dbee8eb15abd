/*
 * What the tests of deadlocks share. A deadlock reports on standard error, so each is in a process
 * of its own.
 */
#ifndef AIO_TESTS_BEHAVIOUR_DEADLOCK_TOOLS_H
#define AIO_TESTS_BEHAVIOUR_DEADLOCK_TOOLS_H

#ifndef SUITE
#define SUITE "deadlock"
#endif
#include "tests/behaviour/cores_tools.h"

/* How a process ends whose runtime ended with -EDEADLK. */
enum { DEADLOCK_FOUND = 35 };

struct deadlock_scene {
    uint32_t cores;
    int (*entry)(void *arg);
};

/* Runs a scene. Returns DEADLOCK_FOUND if it was one. */
int deadlock_run(void *scene);

/* The same in a process, which has to find it. Returns false where children cannot have threads. */
bool deadlock_check(struct child *child, uint32_t cores, int (*entry)(void *arg));

/* Tasks that nobody will wake: the second one not even by a cancellation. */
int deadlock_sleep(void *unused);
int deadlock_shield(void *unused);

#endif
