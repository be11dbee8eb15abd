/*
 * Storms of files: opens cancelled at any moment, of which some succeed late.
 */
#define SUITE "soak_files"
#include "tests/soak/soak.h"

#include <aio/file.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct opening {
    const char *path;
    int flags;
};

static int open_and_close(void *arg)
{
    const struct opening *opening = arg;
    struct aio_file *file;
    int rc = aio_file_open(&file, opening->path, opening->flags, 0600);
    if (rc == 0)
        rc = aio_file_close(file);
    AIO_CHECK(rc == 0 || rc == -ECANCELED);
    return 0;
}

/* A hundred thousand; that no descriptor is left is checked after every test. */
BEHAVIOUR(open_cancelled)
{
    char path[] = "/tmp/aio-soak-XXXXXX";
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    close(fd);
    const struct opening openings[] = {
        {path, O_RDWR | O_CREAT}, {path, O_RDONLY}, {"/dev/null", O_WRONLY}};
    struct storm storm = storm_begin("opened and cancelled", 100000);
    while (storm_goes_on(&storm)) {
        struct aio_task *task;
        void *arg = (void *)(uintptr_t)&openings[test_random() % 3];
        REQUIRE_OK(aio_task_spawn(&task, open_and_close, arg, NULL));
        for (uint64_t turns = test_random() % 4; turns > 0; turns--)
            REQUIRE_OK(aio_task_yield());
        aio_task_cancel(task);
        REQUIRE_OK(aio_task_join(task, NULL));
    }
    AIO_CHECK_EQ(unlink(path), 0);
    storm_check_end();
}
