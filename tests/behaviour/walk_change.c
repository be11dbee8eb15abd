/*
 * Walks through trees that resist or change: unreadable directories, removals, renames, symlinks in
 * a directory's place, interruptions.
 */
#define SUITE "walk_change"
#include "tests/behaviour/folder_support.h"

#include <signal.h>

/* Walks to the end. Returns how many entries came; *error is the last that one had. */
static int walk_all(int at, const char *path, int *error)
{
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    int count = 0, rc = aio_walk_open(&walk, at, path, NULL);
    *error = 0;
    if (rc < 0)
        return rc;
    while ((rc = aio_walk_next(walk, &entry)) == 1) {
        count++;
        if (entry.error < 0)
            *error = entry.error;
    }
    aio_walk_close(walk);
    return rc < 0 ? rc : count;
}

/* Walks to a directory that may not be read, which the entry leads to all the same. */
static int walk_closed(const struct folder *folder)
{
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    struct stat found, wanted;
    int count = 0;
    if (aio_walk_open(&walk, folder->fd, "t", NULL) < 0)
        return -1;
    while (aio_walk_next(walk, &entry) == 1)
        count += entry.error < 0 && !entry.opened &&
                 fstatat(entry.at, entry.name, &found, 0) == 0 &&
                 fstatat(folder->fd, "t/closed", &wanted, 0) == 0 && found.st_ino == wanted.st_ino;
    aio_walk_close(walk);
    return count;
}

static int walk_as_user(void *arg)
{
    struct folder *folder = arg;
    int error;
    return walk_all(folder->fd, "t", &error) != 4 || error != -EACCES || walk_closed(folder) != 1;
}

BEHAVIOUR_OUTSIDE(unreadable_directories_are_told)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "t");
    folder_directory(&folder, "t/closed");
    folder_text(&folder, "t/closed/file", "");
    folder_directory(&folder, "t/open");
    folder_text(&folder, "t/open/file", "");
    folder_text(&folder, "t/file", "");
    AIO_CHECK_EQ(fchmodat(folder.fd, "t/closed", 0, 0), 0);
    folder_as_user(walk_as_user, &folder);
    AIO_CHECK_EQ(fchmodat(folder.fd, "t/closed", 0700, 0), 0);
    folder_close(&folder);
}

static int walk_statuses_as_user(void *arg)
{
    struct folder *folder = arg;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    struct aio_walk_options options = AIO_WALK_OPTIONS;
    int denied = 0, known = 0;
    options.flags = AIO_WALK_STAT;
    if (aio_walk_open(&walk, folder->fd, "t", &options) < 0)
        return 1;
    while (aio_walk_next(walk, &entry) == 1) {
        denied += entry.error == -EACCES && entry.stat == NULL;
        known += entry.error == 0 && entry.stat != NULL;
    }
    aio_walk_close(walk);
    return denied != 3 || known != 3;
}

/* A directory that may be read and not searched: its names are told, each with what is wrong. */
BEHAVIOUR_OUTSIDE(entries_without_a_status_are_told)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "t");
    folder_directory(&folder, "t/listed");
    folder_text(&folder, "t/listed/file", "");
    folder_link(&folder, "t/listed/link", "file");
    folder_directory(&folder, "t/listed/directory");
    folder_directory(&folder, "t/open");
    folder_text(&folder, "t/file", "");
    AIO_CHECK_EQ(fchmodat(folder.fd, "t/listed", 0444, 0), 0);
    folder_as_user(walk_statuses_as_user, &folder);
    AIO_CHECK_EQ(fchmodat(folder.fd, "t/listed", 0755, 0), 0);
    folder_close(&folder);
}

/* Fails for root as well: its name is gone, or is something else, when it is to be opened. */
BEHAVIOUR(removed_and_replaced_while_walked)
{
    struct folder folder;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    int gone = 0, replaced = 0, linked = 0;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "");
    folder_directory(&folder, "gone");
    folder_directory(&folder, "replaced");
    folder_directory(&folder, "linked");
    folder_directory(&folder, "stays");
    REQUIRE_OK(aio_walk_open(&walk, folder.fd, ".", NULL));
    REQUIRE(AIO_CHECK_EQ(aio_walk_next(walk, &entry), 1));
    AIO_CHECK_STR(entry.path, "file");
    for (int i = 0; i < 3; i++)
        AIO_CHECK_EQ(
            unlinkat(folder.fd, (const char *[]){"gone", "replaced", "linked"}[i], AT_REMOVEDIR),
            0);
    folder_text(&folder, "replaced", "");
    folder_link(&folder, "linked", "/");
    int count = 0;
    for (; aio_walk_next(walk, &entry) == 1; count++) {
        AIO_CHECK_EQ(entry.opened, entry.error == 0);
        AIO_CHECK_EQ(
            faccessat(entry.at, entry.opened ? "." : entry.name, F_OK, AT_SYMLINK_NOFOLLOW) < 0,
            entry.error == -ENOENT);
        gone = strcmp(entry.name, "gone") == 0 ? entry.error : gone;
        replaced = strcmp(entry.name, "replaced") == 0 ? entry.error : replaced;
        linked = strcmp(entry.name, "linked") == 0 ? entry.error : linked;
    }
    AIO_CHECK_EQ(count, 4);
    AIO_CHECK_ERROR(gone, -ENOENT);
    AIO_CHECK_ERROR(replaced, -ENOTDIR);
    AIO_CHECK(linked == -ENOTDIR || linked == -ELOOP);
    aio_walk_close(walk);
    folder_close(&folder);
}

/* The files that were listed are told though they are gone, with what statx says of them. */
BEHAVIOUR(files_removed_while_walked)
{
    struct folder folder;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "1", "");
    folder_text(&folder, "2", "");
    REQUIRE_OK(aio_walk_open(&walk, folder.fd, ".", NULL));
    AIO_CHECK_EQ(aio_walk_next(walk, &entry), 1);
    AIO_CHECK_EQ(unlinkat(folder.fd, "1", 0) | unlinkat(folder.fd, "2", 0), 0);
    AIO_CHECK_EQ(aio_walk_next(walk, &entry), 1);
    AIO_CHECK_EQ(aio_walk_next(walk, &entry), 0);
    aio_walk_close(walk);
    folder_close(&folder);
}

/* The directory that the walk is in is moved away: what is above is found again from the start, and
 * the walk does not follow it out. */
BEHAVIOUR(moved_away_while_walked)
{
    struct folder folder;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    bool moved = false, outside = false;
    int after = 0;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "t");
    folder_directory(&folder, "elsewhere");
    folder_text(&folder, "elsewhere/outside", "");
    folder_directory(&folder, "elsewhere/outside directory");
    for (int i = 0; i < 2; i++) {
        char path[64];
        snprintf(path, sizeof path, "t/%d", i);
        folder_directory(&folder, path);
        snprintf(path, sizeof path, "t/%d/a", i);
        folder_directory(&folder, path);
        snprintf(path, sizeof path, "t/%d/a/b", i);
        folder_directory(&folder, path);
        snprintf(path, sizeof path, "t/%d/c", i);
        folder_directory(&folder, path);
    }
    REQUIRE_OK(aio_walk_open(&walk, folder.fd, "t", NULL));
    while (aio_walk_next(walk, &entry) == 1) {
        outside |= strstr(entry.path, "outside") != NULL;
        after += moved;
        AIO_CHECK_EQ(entry.error, 0);
        if (!moved && entry.depth == 3) {
            char path[64];
            snprintf(path, sizeof path, "t/%.3s", entry.path);
            moved = AIO_CHECK_EQ(renameat(folder.fd, path, folder.fd, "elsewhere/moved"), 0);
        }
    }
    AIO_CHECK(moved && !outside);
    AIO_CHECK(after >= 4); /* the other half of the tree at least */
    aio_walk_close(walk);
    folder_close(&folder);
}

/* A directory above is gone for good: what was still to come in it is told with an error. */
BEHAVIOUR(out_of_reach)
{
    struct folder folder;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    bool moved = false;
    int stale = 0, files = 0;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "t");
    folder_text(&folder, "t/file", "");
    folder_directory(&folder, "t/a");
    folder_directory(&folder, "t/a/1");
    folder_directory(&folder, "t/a/2");
    REQUIRE_OK(aio_walk_open(&walk, folder.fd, "t", NULL));
    while (aio_walk_next(walk, &entry) == 1) {
        files += entry.type == AIO_ENTRY_FILE;
        stale += (entry.error == -ENOENT || entry.error == -ESTALE) && entry.at == -1;
        if (!moved && entry.depth == 2) {
            char path[64];
            snprintf(path, sizeof path, "t/%.5s", entry.path);
            moved = AIO_CHECK_EQ(renameat(folder.fd, path, folder.fd, "away"), 0) &&
                    AIO_CHECK_EQ(renameat(folder.fd, "t/a", folder.fd, "b"), 0);
        }
    }
    AIO_CHECK(moved);
    AIO_CHECK_EQ(files, 1);
    AIO_CHECK_EQ(stale, 1);
    aio_walk_close(walk);
    folder_close(&folder);
}

struct swapper {
    struct folder *folder;
    bool over;
    bool outside;
};

static int swap_back_and_forth(void *arg)
{
    struct swapper *swapper = arg;
    int fd = swapper->folder->fd;
    while (!swapper->over && aio_task_yield() == 0) {
        (void)renameat2(fd, "t/x", fd, "link", RENAME_EXCHANGE);
        (void)renameat2(fd, "t/x/x", fd, "t/link", RENAME_EXCHANGE);
    }
    return 0;
}

/* Whatever changes places, nothing outside of the tree is ever told. */
BEHAVIOUR(swapped_for_a_symlink)
{
    struct folder folder;
    struct swapper swapper = {&folder, false, false};
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "outside");
    folder_text(&folder, "outside/outside", "");
    folder_directory(&folder, "t");
    folder_directory(&folder, "t/x");
    folder_directory(&folder, "t/x/x");
    folder_directory(&folder, "t/x/x/x");
    folder_text(&folder, "t/x/x/file", "");
    folder_link(&folder, "link", "outside");
    folder_link(&folder, "t/link", "../outside");
    struct aio_task *task = task_named("swapper", swap_back_and_forth, &swapper);
    for (int i = 0; i < 100; i++) {
        struct aio_walk *walk;
        struct aio_walk_entry entry;
        REQUIRE_OK(aio_walk_open(&walk, folder.fd, "t", NULL));
        while (aio_walk_next(walk, &entry) == 1)
            swapper.outside |= strcmp(entry.name, "outside") == 0;
        aio_walk_close(walk);
    }
    swapper.over = true;
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK(!swapper.outside);
    folder_close(&folder);
}

struct walker {
    struct folder *folder;
    int count;
    int interrupted;
};

/* Goes on after each cancellation, as a task in a shield would. */
static int walk_stubbornly(void *arg)
{
    struct walker *walker = arg;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    int rc = aio_walk_open(&walk, walker->folder->fd, ".", NULL);
    if (rc < 0)
        return rc;
    do {
        /* One call in eight has time, so that the walk gets on however slow the machine is. */
        AIO_TIMEOUT((int64_t)(test_random() % (test_random() % 8 == 0 ? AIO_SEC(2) : AIO_US(40))))
        {
            rc = aio_walk_next(walk, &entry);
        }
        walker->count += rc == 1;
        walker->interrupted += rc == -ETIMEDOUT;
    } while (rc == 1 || rc == -ETIMEDOUT);
    aio_walk_close(walk);
    return rc;
}

/* Interrupted at any moment and taken up again: every entry comes once. */
BEHAVIOUR(interrupted_and_taken_up_again)
{
    enum { WIDTH = 20 };
    struct folder folder;
    REQUIRE(folder_open(&folder));
    for (int i = 0; i < WIDTH; i++) {
        char path[64];
        snprintf(path, sizeof path, "%d", i);
        folder_directory(&folder, path);
        snprintf(path, sizeof path, "%d/x", i);
        folder_text(&folder, path, "");
    }
    struct walker walker = {.folder = &folder};
    AIO_CHECK_OK(walk_stubbornly(&walker));
    AIO_CHECK_EQ(walker.count, 2 * WIDTH);
    folder_close(&folder);
}

static int walk_half(void *arg)
{
    struct walker *walker = arg;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    int rc = aio_walk_open(&walk, walker->folder->fd, ".", NULL);
    if (rc < 0)
        return rc;
    while ((rc = aio_walk_next(walk, &entry)) == 1)
        walker->count++;
    aio_walk_close(walk);
    return rc;
}

/* Cancelled at any moment: nothing stays open. */
BEHAVIOUR(canceled_at_any_moment)
{
    struct folder folder;
    REQUIRE(folder_open(&folder) && folder_deep(&folder, 10));
    for (int round = 0; round < 60; round++) {
        struct walker walker = {.folder = &folder};
        struct aio_task *task = task_named("walker", walk_half, &walker);
        for (int i = 0; i < round * 4; i++)
            AIO_CHECK_OK(aio_task_yield());
        int rc = task_stop(task);
        AIO_CHECK(rc == -ECANCELED || (rc == 0 && walker.count == 11));
        AIO_CHECK_EQ(task_stats().handles_open, 0);
    }
    folder_close(&folder);
}

static int next_of(void *walk)
{
    struct aio_walk_entry entry;
    return aio_walk_next(walk, &entry);
}

static int walk_by_two(void *unused)
{
    struct aio_walk *walk;
    struct aio_task *tasks[2];
    (void)unused;
    if (aio_walk_open(&walk, AT_FDCWD, "/", NULL) < 0)
        return 1;
    for (int i = 0; i < 2; i++)
        tasks[i] = task_named(i == 0 ? "first" : "second", next_of, walk);
    return aio_task_join(tasks[0], NULL) + aio_task_join(tasks[1], NULL);
}

/* A walk is one task's at a time. */
BEHAVIOUR_OUTSIDE(two_tasks_are_one_too_many)
{
    struct child child;
    if (child_may_have_threads() && child_run_task(&child, walk_by_two, NULL)) {
        child_killed(&child, SIGABRT);
        child_said(&child, "task 'second' uses a walk that another task uses");
    }
}
