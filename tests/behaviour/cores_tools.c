/*
 * Runtimes with several cores, started and ended; see cores_tools.h.
 */
#define SUITE "cores"
#include "tests/behaviour/cores_tools.h"

#include <dirent.h>

struct aio_runtime_options cores_options(uint32_t cores)
{
    struct aio_runtime_options options = test_options();
    options.cores = cores;
    return options;
}

struct aio_runtime *cores_create(uint32_t cores)
{
    struct aio_runtime_options options = cores_options(cores);
    struct aio_runtime *runtime = NULL;
    AIO_CHECK_OK(aio_runtime_create(&runtime, &options));
    return runtime;
}

struct aio_runtime *cores_start(uint32_t cores, int (*entry)(void *arg), void *arg)
{
    struct aio_runtime *runtime = cores_create(cores);
    if (runtime == NULL || AIO_CHECK_OK(aio_runtime_start(runtime, entry, arg)))
        return runtime;
    aio_runtime_destroy(runtime);
    return NULL;
}

int cores_end(struct aio_runtime *runtime)
{
    int result = -1;
    AIO_CHECK_OK(aio_runtime_wait(runtime, &result));
    aio_runtime_destroy(runtime);
    return result;
}

int cores_run(uint32_t cores, int (*entry)(void *arg), void *arg)
{
    struct aio_runtime_options options = cores_options(cores);
    return aio_runtime_run(&options, entry, arg);
}

int cores_serve(void *unused)
{
    (void)unused;
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ECANCELED);
    return 0;
}

static int play(void *arg)
{
    void (**body)(void) = arg;
    if (aio_core_index() != 0)
        return cores_serve(NULL);
    (*body)();
    AIO_CHECK_OK(aio_runtime_stop(aio_runtime_current(), 0));
    return 0;
}

int cores_play(const struct aio_runtime_options *options, void (*body)(void))
{
    return aio_runtime_run(options, play, &body);
}

struct number {
    atomic_int *at;
    int least;
};

static bool number_reached(void *arg)
{
    struct number *number = arg;
    return atomic_load(number->at) >= number->least;
}

bool cores_wait(atomic_int *number, int least)
{
    struct number wanted = {number, least};
    return test_wait(number_reached, &wanted);
}

bool cores_wait_outside(atomic_int *number, int least)
{
    struct number wanted = {number, least};
    return test_wait_outside(number_reached, &wanted);
}

bool thread_start(pthread_t *thread, void *(*body)(void *arg), void *arg)
{
    return AIO_CHECK_EQ(pthread_create(thread, NULL, body, arg), 0);
}

void thread_join(pthread_t thread)
{
    AIO_CHECK_EQ(pthread_join(thread, NULL), 0);
}

static int process_entries(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    return count;
}

int process_threads(void)
{
    return process_entries("/proc/self/task");
}

int process_fds(void)
{
    return process_entries("/proc/self/fd");
}
