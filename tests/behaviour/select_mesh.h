/*
 * A mesh: tasks of several threads, each a runtime of its own, that choose at random between
 * putting into and taking from a few channels, while time runs out and they are cancelled. Each
 * item is one of its kind. Whatever happened, items in are items out, and no select has met itself.
 *
 * For the suite in a small form, and as a storm.
 */
#ifndef AIO_TESTS_BEHAVIOUR_SELECT_MESH_H
#define AIO_TESTS_BEHAVIOUR_SELECT_MESH_H

#include "tests/harness/harness.h"

#include <aio/select.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum { MESH_CHANNELS = 3, MESH_THREADS = 2, MESH_HAMMERS = 3, MESH_BURST = 6 };

struct mesh {
    struct aio_shared_channel *channels[MESH_CHANNELS];
    int rounds; /* of each hammer */
    _Atomic int64_t next, sent, taken, sum_sent, sum_taken, met_itself;
};

static struct aio_select_case mesh_case(struct mesh *mesh, int64_t *mine, int64_t *got)
{
    struct aio_shared_channel *channel = mesh->channels[test_random() % MESH_CHANNELS];
    return test_random() % 2 == 0 ? aio_select_put(channel, mine) : aio_select_take(channel, got);
}

static void mesh_account(struct mesh *mesh, const struct aio_select_case *chosen, int64_t mine,
                         int64_t got)
{
    if (got != 0) {
        AIO_CHECK_EQ(chosen->result, 1);
        mesh->met_itself += got == mine;
        mesh->taken++;
        mesh->sum_taken += got;
    } else {
        AIO_CHECK_OK(chosen->result);
        mesh->sent++;
        mesh->sum_sent += mine;
    }
}

/* One choice: three cases of channels and one of time, some with a deadline besides. One in eight
 * has long enough to meet somebody however slow the machine is. */
static int mesh_round(struct mesh *mesh)
{
    bool patient = test_random() % 8 == 0;
    int64_t mine = ++mesh->next, got = 0, hurry = (int64_t)(test_random() % 200000);
    struct aio_select_case cases[] = {mesh_case(mesh, &mine, &got), mesh_case(mesh, &mine, &got),
                                      mesh_case(mesh, &mine, &got),
                                      aio_select_after(patient ? AIO_MS(20) : hurry)};
    int which = -1;
    AIO_TIMEOUT(!patient && test_random() % 4 == 0 ? AIO_US(2) : AIO_FOREVER)
    {
        which = aio_select_wait(cases, 4);
    }
    if (which >= 0 && which < 3)
        mesh_account(mesh, &cases[which], mine, got);
    else
        AIO_CHECK_EQ(got, 0);
    AIO_CHECK(which >= 0 || which == -ECANCELED || which == -ETIMEDOUT);
    return which == -ETIMEDOUT ? 0 : which;
}

static int mesh_burst(void *arg)
{
    for (int i = 0; i < MESH_BURST; i++)
        if (mesh_round(arg) < 0)
            break;
    return 0;
}

/* Starts a task, lets it run or not, cancels it or not, joins it. */
static int mesh_hammer(void *arg)
{
    struct mesh *mesh = arg;
    for (int i = 0; i < mesh->rounds; i++) {
        struct aio_task *task;
        int rc = aio_task_spawn(&task, mesh_burst, mesh, NULL);
        if (!AIO_CHECK_OK(rc))
            return rc;
        for (uint64_t turns = test_random() % 8; turns > 0; turns--)
            AIO_CHECK_OK(aio_task_yield());
        if (test_random() % 2 == 0)
            aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, NULL));
    }
    return 0;
}

static int mesh_root(void *arg)
{
    struct aio_task *tasks[MESH_HAMMERS];
    for (int i = 0; i < MESH_HAMMERS; i++)
        AIO_CHECK_OK(aio_task_spawn(&tasks[i], mesh_hammer, arg, NULL));
    for (int i = 0; i < MESH_HAMMERS; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    return 0;
}

static void *mesh_thread(void *arg)
{
    AIO_CHECK_OK(test_run(mesh_root, arg));
    return NULL;
}

/* What is left in the channels is taken as well. */
static void mesh_drain(struct mesh *mesh)
{
    for (int i = 0; i < MESH_CHANNELS; i++) {
        int64_t item;
        while (aio_shared_tryreceive(mesh->channels[i], &item) == 1) {
            mesh->taken++;
            mesh->sum_taken += item;
        }
        aio_shared_release(mesh->channels[i]);
    }
}

/* Runs the mesh over channels of these capacities. Returns how many items were sent. */
static int64_t mesh_run(int rounds, const size_t capacities[MESH_CHANNELS])
{
    struct mesh mesh = {.rounds = rounds};
    pthread_t threads[MESH_THREADS];
    for (int i = 0; i < MESH_CHANNELS; i++)
        AIO_CHECK_OK(aio_shared_open(&mesh.channels[i], sizeof(int64_t), capacities[i]));
    for (int i = 0; i < MESH_THREADS; i++)
        AIO_CHECK_EQ(pthread_create(&threads[i], NULL, mesh_thread, &mesh), 0);
    for (int i = 0; i < MESH_THREADS; i++)
        pthread_join(threads[i], NULL);
    mesh_drain(&mesh);
    AIO_CHECK_EQ(mesh.met_itself, 0);
    AIO_CHECK_EQ(mesh.taken, mesh.sent);
    AIO_CHECK_EQ(mesh.sum_taken, mesh.sum_sent);
    return mesh.sent;
}

#endif
