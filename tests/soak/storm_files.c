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
    bool under_way;
    int late; /* those that succeeded though they were cancelled meanwhile */
};

static int open_and_close(void *arg)
{
    struct opening *opening = arg;
    struct aio_file *file;
    opening->under_way = true;
    int rc = aio_file_open(&file, opening->path, opening->flags, 0600);
    opening->under_way = false;
    opening->late += rc == 0 && aio_task_canceled();
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
    struct opening openings[] = {
        {.path = path, .flags = O_RDWR | O_CREAT},
        {.path = path, .flags = O_RDONLY},
        {.path = "/dev/null", .flags = O_WRONLY},
    };
    struct storm storm = storm_begin("opened and cancelled", 100000);
    while (storm_goes_on(&storm)) {
        struct aio_task *task;
        struct opening *opening = &openings[test_random() % 3];
        REQUIRE_OK(aio_task_spawn(&task, open_and_close, opening, NULL));
        for (uint64_t turns = test_random() % 4; turns > 0; turns--)
            REQUIRE_OK(aio_task_yield());
        if (opening->under_way && test_random() % 4 == 0) /* it is at the kernel by then */
            REQUIRE_OK(aio_time_sleep(AIO_US(1 + (int64_t)(test_random() % 60))));
        aio_task_cancel(task);
        REQUIRE_OK(aio_task_join(task, NULL));
    }
    AIO_CHECK(openings[0].late + openings[1].late + openings[2].late > 0);
    AIO_CHECK_EQ(unlink(path), 0);
    storm_check_end();
}
