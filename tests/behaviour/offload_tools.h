/*
 * What the tests of the offload pool share: blocking work that starts and ends when the test says.
 */
#ifndef AIO_TESTS_BEHAVIOUR_OFFLOAD_TOOLS_H
#define AIO_TESTS_BEHAVIOUR_OFFLOAD_TOOLS_H

#include "tests/behaviour/task_tools.h"

#include <aio/offload.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

/* A call into the pool, made by a task of its own; its work blocks until work_open. */
struct work {
    struct aio_task *task;
    sem_t gate;
    int64_t timeout_ns; /* 0: none */
    int number;         /* what the work returns */
    atomic_bool begun;
    atomic_bool ended;
    int place;  /* when it was begun, from 1 */
    int rc;     /* of the call */
    int result; /* as the call gave it; -1 before */
    bool returned;
};

/* Blocks; what the pool runs. */
int work_run(void *work);

/* Spawns the task that makes the call. */
bool work_start(struct work *work, int number);

/* Lets the work end. */
void work_open(struct work *work);

/* Joins the task. Returns what the call returned. */
int work_join(struct work *work);

/* Cancels the task; returns at once. */
void work_cancel(struct work *work);

/* Waits until a thread has begun the work. */
bool work_wait_begun(struct work *work);

/* Waits until that many calls stand in line, and until the pool has that many threads. */
bool pool_wait_queued(unsigned count);
bool pool_wait_threads(unsigned count);

/* Threads of this process that have the pool's name. */
unsigned pool_threads_of_process(void);

#endif
