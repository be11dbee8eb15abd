/*
 * Walking trees: what comes, in which order, with which options.
 */
#define SUITE "walk"
#include "tests/behaviour/folder_support.h"

/* All entries of a walk as lines "depth type error path". */
struct record {
    char text[4096];
    int count;
    int rc;
};

static void record_add(struct record *record, const struct aio_walk_entry *entry)
{
    struct stat there;
    const char *leads = entry->opened ? "." : entry->name;
    AIO_CHECK_EQ(fstatat(entry->at, leads, &there, AT_SYMLINK_NOFOLLOW), 0);
    AIO_CHECK_EQ(entry->opened, entry->type == AIO_ENTRY_DIRECTORY && entry->error == 0);
    size_t length = strlen(record->text);
    (void)snprintf(record->text + length, sizeof record->text - length, "%u %c %s %s\n",
                   entry->depth, "?fdlpscb"[entry->type],
                   entry -> error < 0 ? aio_error_name(entry->error) : "-", entry->path);
    const char *slash = strrchr(entry->path, '/');
    AIO_CHECK_STR(entry->name, slash == NULL ? entry->path : slash + 1);
    record->count++;
}

static struct record record_walk(const struct folder *folder, const char *path,
                                 const struct aio_walk_options *options)
{
    struct record record = {.count = 0};
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    if (!AIO_CHECK_OK(aio_walk_open(&walk, folder->fd, path, options)))
        return record;
    while ((record.rc = aio_walk_next(walk, &entry)) == 1)
        record_add(&record, &entry);
    AIO_CHECK_EQ(aio_walk_next(walk, &entry), 0);
    aio_walk_close(walk);
    return record;
}

static bool said(const struct record *record, const char *line)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%s\n", line);
    const char *at = strstr(record->text, text);
    bool good = at != NULL && (at == record->text || at[-1] == '\n');
    if (!good)
        printf("'%s' is not in:\n%s", line, record->text);
    return AIO_CHECK(good);
}

/* A walk of which every entry is told: a(1 2) b(c(3)) 4 */
static bool make_tree(const struct folder *folder)
{
    return folder_directory(folder, "t") && folder_directory(folder, "t/a") &&
           folder_text(folder, "t/a/1", "") && folder_text(folder, "t/a/2", "") &&
           folder_directory(folder, "t/b") && folder_directory(folder, "t/b/c") &&
           folder_text(folder, "t/b/c/3", "") && folder_text(folder, "t/4", "four");
}

BEHAVIOUR(in_order)
{
    struct folder folder;
    REQUIRE(folder_open(&folder) && make_tree(&folder));
    struct record record = record_walk(&folder, "t", NULL);
    AIO_CHECK_EQ(record.count, 7);
    said(&record, "1 f - 4");
    said(&record, "1 d - a");
    said(&record, "2 f - a/1");
    said(&record, "2 f - a/2");
    said(&record, "1 d - b");
    said(&record, "2 d - b/c");
    said(&record, "3 f - b/c/3");
    AIO_CHECK(strncmp(record.text, "1 f - 4\n", 8) == 0);
    AIO_CHECK(strstr(record.text, " a\n") < strstr(record.text, " a/1\n"));
    AIO_CHECK(strstr(record.text, "2 d - b/c\n3 f - b/c/3\n") != NULL);
    folder_close(&folder);
}

BEHAVIOUR(nothing_to_walk)
{
    struct folder folder;
    struct aio_walk *walk;
    struct aio_walk_options options = AIO_WALK_OPTIONS;
    REQUIRE(folder_open(&folder));
    AIO_CHECK_EQ(record_walk(&folder, ".", NULL).count, 0);
    folder_text(&folder, "file", "");
    AIO_CHECK_ERROR(aio_walk_open(&walk, folder.fd, "file", NULL), -ENOTDIR);
    AIO_CHECK_ERROR(aio_walk_open(&walk, folder.fd, "absent", NULL), -ENOENT);
    options.depth_limit = 0;
    AIO_CHECK_ERROR(aio_walk_open(&walk, folder.fd, ".", &options), -EINVAL);
    options = AIO_WALK_OPTIONS;
    options.flags = 64;
    AIO_CHECK_ERROR(aio_walk_open(&walk, folder.fd, ".", &options), -EINVAL);
    options = AIO_WALK_OPTIONS;
    options.size--;
    AIO_CHECK_ERROR(aio_walk_open(&walk, folder.fd, ".", &options), -EINVAL);
    AIO_CHECK_EQ(task_stats().handles_open, 0);
    aio_walk_close(NULL);
    folder_close(&folder);
}

BEHAVIOUR(symlinks_are_not_followed)
{
    struct folder folder;
    REQUIRE(folder_open(&folder) && make_tree(&folder));
    folder_link(&folder, "t/b/up", "../..");
    folder_link(&folder, "t/b/lost", "nowhere");
    struct record record = record_walk(&folder, "t", NULL);
    AIO_CHECK_EQ(record.count, 9);
    said(&record, "2 l - b/up");
    said(&record, "2 l - b/lost");
    folder_link(&folder, "root", "t");
    AIO_CHECK_EQ(record_walk(&folder, "root", NULL).count, 9);
    folder_close(&folder);
}

BEHAVIOUR(symlinks_are_followed)
{
    struct folder folder;
    struct aio_walk_options options = AIO_WALK_OPTIONS;
    options.flags = AIO_WALK_FOLLOW;
    REQUIRE(folder_open(&folder) && make_tree(&folder));
    folder_directory(&folder, "else");
    folder_text(&folder, "else/5", "");
    folder_directory(&folder, "else/deeper");
    folder_text(&folder, "else/deeper/6", "");
    folder_link(&folder, "t/b/there", "../../else");
    folder_link(&folder, "t/b/file", "../4");
    folder_link(&folder, "t/b/lost", "nowhere");
    folder_link(&folder, "t/b/up", "..");
    folder_link(&folder, "t/b/self", ".");
    struct record record = record_walk(&folder, "t", &options);
    said(&record, "2 d - b/there");
    said(&record, "3 f - b/there/5");
    said(&record, "3 d - b/there/deeper");
    said(&record, "4 f - b/there/deeper/6");
    said(&record, "2 f - b/file");
    said(&record, "2 l - b/lost");
    said(&record, "2 d ELOOP b/up");
    said(&record, "2 d ELOOP b/self");
    said(&record, "3 f - b/c/3");
    AIO_CHECK_EQ(record.count, 7 + 8);
    folder_close(&folder);
}

/* Two directories that point to each other. */
BEHAVIOUR(symlinks_in_a_ring)
{
    struct folder folder;
    struct aio_walk_options options = AIO_WALK_OPTIONS;
    options.flags = AIO_WALK_FOLLOW;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "x");
    folder_directory(&folder, "y");
    folder_link(&folder, "x/y", "../y");
    folder_link(&folder, "y/x", "../x");
    struct record record = record_walk(&folder, ".", &options);
    said(&record, "2 d - x/y");
    said(&record, "3 d ELOOP x/y/x");
    said(&record, "2 d - y/x");
    said(&record, "3 d ELOOP y/x/y");
    AIO_CHECK_EQ(record.count, 6);
    folder_close(&folder);
}

BEHAVIOUR(down_to_a_depth)
{
    struct folder folder;
    struct aio_walk_options options = AIO_WALK_OPTIONS;
    REQUIRE(folder_open(&folder) && make_tree(&folder));
    options.depth_limit = 2;
    struct record record = record_walk(&folder, "t", &options);
    AIO_CHECK_EQ(record.count, 6);
    said(&record, "2 d EOVERFLOW b/c");
    options.depth_limit = 1;
    record = record_walk(&folder, "t", &options);
    AIO_CHECK_EQ(record.count, 3);
    said(&record, "1 d EOVERFLOW a");
    folder_close(&folder);
}

/* Statuses come with the entries, and descriptors that lead to them. */
BEHAVIOUR(with_statuses)
{
    struct folder folder;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    struct aio_walk_options options = AIO_WALK_OPTIONS;
    struct stat status;
    int count = 0;
    options.flags = AIO_WALK_STAT | AIO_WALK_FOLLOW | AIO_WALK_ONE_DEVICE;
    REQUIRE(folder_open(&folder) && make_tree(&folder));
    folder_link(&folder, "t/b/link", "../4");
    REQUIRE_OK(aio_walk_open(&walk, folder.fd, "t", &options));
    while (aio_walk_next(walk, &entry) == 1) {
        count++;
        REQUIRE(AIO_CHECK(entry.stat != NULL));
        AIO_CHECK_EQ(fstatat(entry.at, entry.opened ? "." : entry.name, &status, 0), 0);
        AIO_CHECK_EQ(entry.stat->inode, status.st_ino);
        AIO_CHECK_EQ(entry.stat->mode, status.st_mode);
        AIO_CHECK_EQ(entry.stat->size, status.st_size);
    }
    AIO_CHECK_EQ(count, 8);
    aio_walk_close(walk);
    folder_close(&folder);
}

BEHAVIOUR(other_devices_are_left_out)
{
    struct aio_walk_options options = AIO_WALK_OPTIONS;
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "here");
    folder_text(&folder, "here/file", "");
    folder_link(&folder, "proc", "/proc");
    folder_link(&folder, "device", "/dev/null");
    options.flags = AIO_WALK_ONE_DEVICE | AIO_WALK_FOLLOW;
    struct record record = record_walk(&folder, ".", &options);
    said(&record, "1 d - proc");
    said(&record, "1 c - device");
    said(&record, "2 f - here/file");
    AIO_CHECK_EQ(record.count, 4);
    folder_close(&folder);
}

BEHAVIOUR(directories_are_skipped)
{
    struct folder folder;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    struct record record = {.count = 0};
    REQUIRE(folder_open(&folder) && make_tree(&folder));
    REQUIRE_OK(aio_walk_open(&walk, folder.fd, "t", NULL));
    aio_walk_skip(walk);
    while (aio_walk_next(walk, &entry) == 1) {
        record_add(&record, &entry);
        if (entry.type != AIO_ENTRY_DIRECTORY || strcmp(entry.name, "b") == 0)
            aio_walk_skip(walk);
    }
    AIO_CHECK_EQ(record.count, 5);
    said(&record, "1 d - b");
    said(&record, "2 f - a/2");
    aio_walk_close(walk);
    folder_close(&folder);
}

/* More than a batch of files and of directories, at each of two levels. */
BEHAVIOUR(a_wide_tree)
{
    enum { WIDTH = 700 };
    struct folder folder;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    struct aio_walk_options options = AIO_WALK_OPTIONS;
    char path[128], seen[WIDTH] = {0};
    int files = 0, directories = 0;
    options.flags = AIO_WALK_STAT;
    REQUIRE(folder_open(&folder));
    for (int i = 0; i < WIDTH; i++) {
        snprintf(path, sizeof path, "a name that is a good deal longer than others %d", i);
        if (i % 2 == 0)
            folder_text(&folder, path, "");
        else
            folder_directory(&folder, path);
        if (i % 2 == 1) {
            snprintf(path, sizeof path, "a name that is a good deal longer than others %d/%d", i,
                     i);
            folder_text(&folder, path, "");
        }
    }
    REQUIRE_OK(aio_walk_open(&walk, folder.fd, ".", &options));
    while (aio_walk_next(walk, &entry) == 1) {
        AIO_CHECK_EQ(entry.error, 0);
        AIO_CHECK(entry.stat != NULL && entry.stat->inode == entry.inode);
        directories += entry.type == AIO_ENTRY_DIRECTORY;
        files += entry.type == AIO_ENTRY_FILE;
        if (entry.type == AIO_ENTRY_FILE)
            seen[strtol(entry.name + strcspn(entry.name, "0123456789"), NULL, 10)]++;
    }
    AIO_CHECK_EQ(directories, WIDTH / 2);
    AIO_CHECK_EQ(files, WIDTH);
    for (int i = 0; i < WIDTH; i++)
        AIO_CHECK_EQ(seen[i], 1);
    aio_walk_close(walk);
    folder_close(&folder);
}

BEHAVIOUR(a_deep_tree)
{
    struct folder folder, self = {.fd = AT_FDCWD};
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    int count = 0, most = 0, before = folder_count(&self, "/proc/self/fd");
    REQUIRE(folder_open(&folder) && folder_deep(&folder, 1000));
    folder_directory(&folder, "d/d/d/sister");
    REQUIRE_OK(aio_walk_open(&walk, folder.fd, ".", NULL));
    while (aio_walk_next(walk, &entry) == 1) {
        count++;
        AIO_CHECK_EQ(entry.error, 0);
        AIO_CHECK_EQ(strlen(entry.path) >= entry.depth, true);
        if (entry.depth > 990) {
            int open = folder_count(&self, "/proc/self/fd");
            most = open > most ? open : most;
        }
    }
    AIO_CHECK_EQ(count, 1002);
    AIO_CHECK(most <= before + 4); /* the folder's own among them */
    aio_walk_close(walk);
    folder_close(&folder);
}

/* Bytes are bytes. */
BEHAVIOUR(names_of_any_bytes)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "\n");
    folder_directory(&folder, "\n/\xff\xfe");
    folder_text(&folder, "\n/\xff\xfe/\x01 \t", "");
    struct record record = record_walk(&folder, ".", NULL);
    said(&record, "1 d - \n");
    said(&record, "2 d - \n/\xff\xfe");
    said(&record, "3 f - \n/\xff\xfe/\x01 \t");
    AIO_CHECK_EQ(record.count, 3);
    folder_close(&folder);
}
