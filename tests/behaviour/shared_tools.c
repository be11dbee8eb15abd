/*
 * Crews of threads, see shared_tools.h.
 */
#define SUITE "shared"
#include "tests/behaviour/shared_tools.h"

struct aio_shared_channel *shared_of(size_t item_bytes, size_t capacity)
{
    struct aio_shared_channel *channel = NULL;
    AIO_CHECK_OK(aio_shared_open(&channel, item_bytes, capacity));
    return channel;
}

bool crew_open(struct crew *crew, size_t item_bytes, size_t capacity)
{
    crew->size = 0;
    crew->channel = shared_of(item_bytes, capacity);
    return crew->channel != NULL;
}

void crew_add(struct crew *crew, void (*body)(struct crew_member *member), int tasks)
{
    struct crew_member *member = &crew->members[crew->size];
    member->crew = crew;
    member->body = body;
    member->tasks = tasks;
    member->number = crew->size++;
    member->count = 0;
}

static int member_task(void *arg)
{
    struct crew_member *member = arg;
    member->body(member);
    return 0;
}

static int member_root(void *arg)
{
    struct crew_member *member = arg;
    struct aio_task *tasks[64];
    for (int i = 0; i < member->tasks; i++)
        AIO_CHECK_OK(aio_task_spawn(&tasks[i], member_task, member, NULL));
    for (int i = 0; i < member->tasks; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    pthread_barrier_wait(&member->crew->end);
    return 0;
}

static void *member_thread(void *arg)
{
    struct crew_member *member = arg;
    if (member->tasks > 0) {
        AIO_CHECK_OK(test_run(member_root, member));
    } else {
        member->body(member);
        pthread_barrier_wait(&member->crew->end);
    }
    return NULL;
}

void crew_start(struct crew *crew)
{
    pthread_barrier_init(&crew->end, NULL, (unsigned)crew->size);
    for (int i = 0; i < crew->size; i++)
        AIO_CHECK_EQ(
            pthread_create(&crew->members[i].thread, NULL, member_thread, &crew->members[i]), 0);
}

void crew_join(struct crew *crew)
{
    for (int i = 0; i < crew->size; i++)
        pthread_join(crew->members[i].thread, NULL);
    pthread_barrier_destroy(&crew->end);
    aio_shared_release(crew->channel);
}

void crew_run(struct crew *crew)
{
    crew_start(crew);
    crew_join(crew);
}
