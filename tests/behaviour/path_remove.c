/*
 * Removing trees: what is in them, how deep they are, and that nothing outside is touched.
 */
#define SUITE "path_remove"
#include "tests/behaviour/folder_support.h"

BEHAVIOUR(whatever_it_is)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "keep");
    folder_text(&folder, "keep/file", "x");
    folder_text(&folder, "file", "x");
    folder_link(&folder, "link", "keep");
    folder_link(&folder, "lost", "nowhere");
    folder_directory(&folder, "empty");
    AIO_CHECK_OK(aio_path_remove(folder.fd, "file"));
    AIO_CHECK_OK(aio_path_remove(folder.fd, "link/"));
    AIO_CHECK_OK(aio_path_remove(folder.fd, "lost"));
    AIO_CHECK_OK(aio_path_remove(folder.fd, "empty//"));
    AIO_CHECK_EQ(folder_count(&folder, "."), 1);
    AIO_CHECK(folder_says(&folder, "keep/file", "x"));
    AIO_CHECK_ERROR(aio_path_remove(folder.fd, "file"), -ENOENT);
    AIO_CHECK_ERROR(aio_path_remove(folder.fd, ""), -EINVAL);
    AIO_CHECK_ERROR(aio_path_remove(folder.fd, "/"), -EINVAL);
    AIO_CHECK_ERROR(aio_path_remove(folder.fd, "keep/."), -EINVAL);
    AIO_CHECK_ERROR(aio_path_remove(folder.fd, "keep/../"), -EINVAL);
    AIO_CHECK_ERROR(aio_path_remove(folder.fd, "keep/file/x"), -ENOTDIR);
    AIO_CHECK(folder_says(&folder, "keep/file", "x"));
    folder_close(&folder);
}

static int remove_closed(void *arg)
{
    static const char *const made[] = {"empty", "full", "full/x", "tree", "tree/empty"};
    struct folder *folder = arg;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        (void)folder_directory(folder, made[i]);
    if (fchmodat(folder->fd, "empty", 0, 0) < 0 || fchmodat(folder->fd, "full", 0, 0) < 0 ||
        fchmodat(folder->fd, "tree/empty", 0, 0) < 0)
        return 1;
    return aio_path_remove(folder->fd, "empty") != 0 || aio_path_remove(folder->fd, "tree") != 0 ||
           aio_path_remove(folder->fd, "full") != -EACCES || folder_count(folder, ".") != 1;
}

/* A directory that may not be read goes if it is empty, at the top of a tree or within. */
BEHAVIOUR_OUTSIDE(closed_directories)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    AIO_CHECK_EQ(fchmod(folder.fd, 0777), 0);
    folder_as_user(remove_closed, &folder);
    if (folder_has(&folder, "full"))
        AIO_CHECK_EQ(fchmodat(folder.fd, "full", 0700, 0), 0); /* so that it can be emptied */
    folder_close(&folder);
}

/* Files, directories with something in them, symlinks out of the tree; more than a batch. */
static void make_tree(const struct folder *folder, int width)
{
    char path[64];
    folder_directory(folder, "tree");
    for (int i = 0; i < width; i++) {
        snprintf(path, sizeof path, "tree/a name that is somewhat longer %d", i);
        if (i % 3 == 0)
            folder_text(folder, path, "");
        else if (i % 3 == 1)
            folder_link(folder, path, "../keep");
        else
            folder_directory(folder, path);
        if (i % 3 == 2) {
            snprintf(path, sizeof path, "tree/a name that is somewhat longer %d/x", i);
            folder_text(folder, path, "");
        }
    }
}

BEHAVIOUR(a_wide_tree)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "keep");
    folder_text(&folder, "keep/file", "x");
    make_tree(&folder, 400);
    AIO_CHECK_OK(aio_path_remove(folder.fd, "tree"));
    AIO_CHECK_EQ(folder_count(&folder, "."), 1);
    AIO_CHECK(folder_says(&folder, "keep/file", "x"));
    folder_close(&folder);
}

static int most_files;

static int watch_files(void *unused)
{
    (void)unused;
    int rc = 0;
    while (rc == 0) {
        struct folder self = {.fd = AT_FDCWD};
        int count = folder_count(&self, "/proc/self/fd");
        most_files = count > most_files ? count : most_files;
        rc = aio_task_yield();
    }
    return rc;
}

BEHAVIOUR(a_deep_tree)
{
    struct folder folder, self = {.fd = AT_FDCWD};
    REQUIRE(folder_open(&folder));
    REQUIRE(folder_deep(&folder, 1000));
    int before = folder_count(&self, "/proc/self/fd");
    most_files = 0;
    struct aio_task *watcher = task_named("watcher", watch_files, NULL);
    AIO_CHECK_OK(aio_path_remove(folder.fd, "d"));
    AIO_CHECK_ERROR(task_stop(watcher), -ECANCELED);
    AIO_CHECK(most_files <= before + 4);
    AIO_CHECK_EQ(folder_count(&folder, "."), 0);
    folder_close(&folder);
}

/* Short names above, long ones below them. */
BEHAVIOUR(a_deep_tree_of_long_names)
{
    struct folder folder;
    char name[256];
    REQUIRE(folder_open(&folder));
    int fd = dup(folder.fd);
    for (int i = 0; i < 120 && fd >= 0; i++) {
        memset(name, 'x', sizeof name - 1);
        name[i < 24 ? 1 : sizeof name - 1] = '\0';
        int below = mkdirat(fd, name, 0755) == 0 ? openat(fd, name, O_RDONLY | O_DIRECTORY) : -1;
        close(fd);
        fd = below;
    }
    REQUIRE(AIO_CHECK(fd >= 0));
    close(fd);
    AIO_CHECK_OK(aio_path_remove(folder.fd, "x"));
    AIO_CHECK_EQ(folder_count(&folder, "."), 0);
    folder_close(&folder);
}

static int remove_tree(void *folder)
{
    return aio_path_remove(((struct folder *)folder)->fd, "tree");
}

/* Cancelled at any moment: a part is there or none, nothing is left open, and it can go on. */
BEHAVIOUR(canceled_at_any_moment)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "keep");
    make_tree(&folder, 600);
    int rc = -ECANCELED;
    for (int round = 0; rc == -ECANCELED && round < 10000; round++) {
        struct aio_task *task = task_named("remover", remove_tree, &folder);
        for (int i = 0; i < round; i++)
            AIO_CHECK_OK(aio_task_yield());
        rc = task_stop(task);
    }
    AIO_CHECK(rc == 0 || rc == -ENOENT);
    AIO_CHECK_EQ(folder_count(&folder, "."), 1);
    folder_close(&folder);
}

struct swapper {
    struct folder *folder;
    bool over;
};

/* Puts a symlink to the directory that must stay in the place of one that is being removed. */
static int swap_back_and_forth(void *arg)
{
    struct swapper *swapper = arg;
    int fd = swapper->folder->fd;
    while (!swapper->over && aio_task_yield() == 0) {
        (void)renameat(fd, "tree/mid/inner", fd, "aside");
        if (symlinkat("../../keep", fd, "tree/mid/inner") == 0)
            (void)unlinkat(fd, "tree/mid/inner", 0);
        (void)renameat(fd, "aside", fd, "tree/mid/inner");
    }
    return 0;
}

static void swap_round(struct folder *folder)
{
    struct swapper swapper = {folder, false};
    char path[64];
    folder_directory(folder, "tree");
    folder_directory(folder, "tree/mid");
    folder_directory(folder, "tree/mid/inner");
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "tree/mid/inner/%d", i);
        folder_directory(folder, path);
        snprintf(path, sizeof path, "tree/mid/inner/%d/x", i);
        folder_text(folder, path, "");
    }
    struct aio_task *task = task_named("swapper", swap_back_and_forth, &swapper);
    int rc = aio_path_remove(folder->fd, "tree");
    swapper.over = true;
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK(rc == 0 || rc == -ESTALE || rc == -ENOTEMPTY || rc == -ENOENT);
    AIO_CHECK(folder_says(folder, "keep/file", "x"));
    for (int i = 0; i < 2; i++) {
        rc = aio_path_remove(folder->fd, i == 0 ? "tree" : "aside");
        AIO_CHECK(rc == 0 || rc == -ENOENT);
    }
}

BEHAVIOUR(swapped_for_a_symlink)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "keep");
    folder_text(&folder, "keep/file", "x");
    for (int i = 0; i < 3; i++)
        swap_round(&folder);
    AIO_CHECK_EQ(folder_count(&folder, "."), 1);
    folder_close(&folder);
}

enum { PAIRS = 300 };

static void pair_name(char name[32], char kind, int i)
{
    (void)snprintf(name, 32, "tree/%c%d", kind, i);
}

/* Each file changes places with a directory that has something in it, for as long as both are
 * there. */
static int exchange_kinds(void *arg)
{
    struct swapper *swapper = arg;
    int fd = swapper->folder->fd;
    for (int i = 0; !swapper->over && aio_task_yield() == 0; i++) {
        char file[32], directory[32];
        for (int j = i % 7; j < PAIRS; j += 7) {
            pair_name(file, 'f', j);
            pair_name(directory, 'd', j);
            (void)renameat2(fd, file, fd, directory, RENAME_EXCHANGE);
        }
    }
    return 0;
}

/* What was listed as the one is the other when it is to go. */
BEHAVIOUR(kinds_change_meanwhile)
{
    struct folder folder;
    struct swapper swapper = {&folder, false};
    char name[32], below[40];
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "tree");
    for (int i = 0; i < PAIRS; i++) {
        pair_name(name, 'f', i);
        folder_text(&folder, name, "");
        pair_name(name, 'd', i);
        folder_directory(&folder, name);
        (void)snprintf(below, sizeof below, "%s/x", name);
        folder_text(&folder, below, "");
    }
    struct aio_task *task = task_named("swapper", exchange_kinds, &swapper);
    int rc = aio_path_remove(folder.fd, "tree");
    swapper.over = true;
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK(rc == 0 || rc == -ENOTEMPTY); /* what changes places after it was read over */
    AIO_CHECK_EQ(folder_count(&folder, "."), rc == 0 ? 0 : 1);
    folder_close(&folder);
}
