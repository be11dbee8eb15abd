/*
 * Task-locals, see <aio/local.h>. A task's table is an array of values, indexed by key, that grows
 * when a key beyond its end is set. Which indices are taken, and by whose destructor, is the
 * process's: keys are numbered when they are first set.
 */
#include "core/alloc.h"
#include "core/task.h"

#include <aio/local.h>
#include <pthread.h>
#include <string.h>

struct aio__locals {
    uint32_t count; /* values[0] is no key's */
    void *values[];
};

static pthread_mutex_t local_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t local_keys;
static void (*local_destroy[AIO_LOCAL_KEYS_MAX + 1])(void *value);

static uint32_t local_index(const struct aio_local_key *key)
{
    return __atomic_load_n(&key->index, __ATOMIC_ACQUIRE);
}

/* Numbers a key, from 1. Returns 0; -EAGAIN. */
static int local_enter_key(struct aio_local_key *key)
{
    int rc = 0;
    pthread_mutex_lock(&local_lock);
    if (local_index(key) == 0) {
        if (local_keys < AIO_LOCAL_KEYS_MAX) {
            local_destroy[++local_keys] = key->destroy;
            __atomic_store_n(&key->index, local_keys, __ATOMIC_RELEASE);
        } else {
            rc = -EAGAIN;
        }
    }
    pthread_mutex_unlock(&local_lock);
    return rc;
}

void aio__locals_forked(void)
{
    pthread_mutex_init(&local_lock, NULL);
}

static uint32_t local_count(const struct aio_task *task)
{
    return task->locals != NULL ? task->locals->count : 0;
}

static int local_reserve(struct aio_task *task, uint32_t index)
{
    uint32_t before = local_count(task);
    uint32_t count = before > 0 ? before : 8;
    if (index < before)
        return 0;
    while (count <= index)
        count *= 2;
    struct aio__locals *locals =
        aio__alloc_resize(task->locals, sizeof *locals + count * sizeof locals->values[0]);
    if (locals == NULL)
        return -ENOMEM;
    memset(&locals->values[before], 0, (count - before) * sizeof locals->values[0]);
    locals->count = count;
    task->locals = locals;
    return 0;
}

int aio_local_set(struct aio_local_key *key, void *value)
{
    struct aio_task *task = AIO__CORE_OR_DIE()->current;
    int rc = local_index(key) == 0 ? local_enter_key(key) : 0;
    if (rc == 0)
        rc = local_reserve(task, local_index(key));
    if (rc == 0)
        task->locals->values[local_index(key)] = value;
    return rc;
}

void *aio_local_get(const struct aio_local_key *key)
{
    const struct aio_task *task = AIO__CORE_OR_DIE()->current;
    uint32_t index = local_index(key);
    return index < local_count(task) ? task->locals->values[index] : NULL;
}

/* The table may move while a destructor runs, and get new values. Returns whether there was one to
 * destroy. */
static bool local_destroy_all(struct aio_task *task)
{
    bool any = false;
    for (uint32_t index = 1; index < task->locals->count; index++) {
        void *value = task->locals->values[index];
        task->locals->values[index] = NULL;
        if (value == NULL || local_destroy[index] == NULL)
            continue;
        local_destroy[index](value);
        any = true;
    }
    return any;
}

void aio__locals_end(struct aio_task *task)
{
    struct aio_shield shield;
    aio_shield_enter(&shield);
    for (int round = 0; round < AIO_LOCAL_ROUNDS_MAX && local_destroy_all(task); round++)
        continue;
    aio_shield_leave(&shield);
    aio__free(task->locals);
    task->locals = NULL;
}
