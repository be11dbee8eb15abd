/*
 * See deadlock_tools.h.
 */
#include "tests/behaviour/deadlock_tools.h"

int deadlock_run(void *scene)
{
    const struct deadlock_scene *of = scene;
    int rc = cores_run(of->cores, of->entry, NULL);
    return rc == -EDEADLK ? DEADLOCK_FOUND : rc < 0 ? 1 : rc;
}

bool deadlock_check(struct child *child, uint32_t cores, int (*entry)(void *arg))
{
    struct deadlock_scene scene = {cores, entry};
    if (cores > 1 && !child_may_have_threads())
        return false;
    return child_run(child, deadlock_run, &scene) && child_exited(child, DEADLOCK_FOUND) &&
           child_said(child, "deadlock");
}

int deadlock_sleep(void *unused)
{
    (void)unused;
    aio_task_rename("sleeper");
    return aio_time_sleep(AIO_FOREVER) == -ECANCELED ? 0 : 1;
}

int deadlock_shield(void *unused)
{
    (void)unused;
    aio_task_rename("shielded");
    AIO_SHIELD
    {
        (void)!aio_time_sleep(AIO_FOREVER);
    }
    return 1;
}
