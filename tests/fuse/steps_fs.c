/*
 * A FUSE file system in memory whose folders each fail or wait at one step, for tests of what is
 * done in several:
 *
 *     steps_fs FOLDER     until SIGTERM; FOLDER then has the folders below, each with a file "old"
 *
 *     write     writing fails with EIO
 *     sync      syncing a file fails with EIO
 *     rename    renaming fails with EIO
 *     folder    syncing the folder fails with EIO
 *     flush     closing fails with EIO
 *     flags     a rename has no flags, and a folder nothing to be synced: EINVAL
 *     list      the folder fails with EIO after its first entry
 *     held      closing waits
 *     late      opening waits
 *     slow      reading, writing and syncing wait
 *     await     syncing waits
 *     refuse    syncing waits, and fails with EIO
 *     bare      permissions and times cannot be set: EPERM; elsewhere ENOSYS
 *     again     reading, writing and syncing fail with EAGAIN
 *     asked     while "armed" is there, asking for attributes of "old", and polling it, wait
 *
 * What waits makes a file "waiting" in its folder and goes on when there is one called "release",
 * or fails with ETIMEDOUT after some seconds. Files in "asked" are read by way of the page cache,
 * which asks for attributes each time.
 */
#define FUSE_USE_VERSION 31
#include <fuse.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODES = 64, NODE_BYTES = 4096, HELD_SECONDS = 30 };

struct node {
    char path[64]; /* empty: there is none */
    char bytes[NODE_BYTES];
    size_t size;
};

static const char *const folders[] = {"/write", "/sync",   "/rename", "/folder", "/flush",
                                      "/flags", "/held",   "/list",   "/late",   "/slow",
                                      "/await", "/refuse", "/bare",   "/asked",  "/again"};
static struct node nodes[NODES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of nodes */
static pthread_cond_t made = PTHREAD_COND_INITIALIZER;

/* Whether the path is in that folder. */
static bool is_in(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

static bool is_folder(const char *path)
{
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (strcmp(path, folders[i]) == 0)
            return true;
    return strcmp(path, "/") == 0;
}

/* With the lock held, as all that follows. The path "" finds a free one. */
static struct node *node_of(const char *path)
{
    for (int i = 0; i < NODES; i++)
        if (strcmp(nodes[i].path, path) == 0)
            return &nodes[i];
    return NULL;
}

/* NULL when there is no room. */
static struct node *node_make(const char *path)
{
    struct node *node = node_of("");
    if (node == NULL || strlen(path) >= sizeof node->path)
        return NULL;
    (void)snprintf(node->path, sizeof node->path, "%s", path);
    node->size = 0;
    (void)pthread_cond_broadcast(&made);
    return node;
}

static void *steps_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->attr_timeout = 0;
    return NULL;
}

/* Elsewhere every read and write is asked for as it was made. */
static void use_cache(const char *path, struct fuse_file_info *info)
{
    info->direct_io = !is_in(path, "/asked");
}

static int list_top(void *buffer, fuse_fill_dir_t fill)
{
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        (void)fill(buffer, folders[i] + 1, NULL, 0, 0);
    return 0;
}

/* The entry that stands at i or behind it, in a folder: its dots are the first two. */
static const char *list_entry(const char *path, off_t *i)
{
    if (*i < 2)
        return *i == 0 ? "." : "..";
    while (*i < NODES + 2 && !is_in(nodes[*i - 2].path, path))
        (*i)++;
    return *i < NODES + 2 ? strrchr(nodes[*i - 2].path, '/') + 1 : NULL;
}

/* An entry a call, so that what comes after the first file of "list" can fail. */
static int steps_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                         struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    (void)info, (void)flags;
    if (strcmp(path, "/") == 0)
        return list_top(buffer, fill);
    if (strcmp(path, "/list") == 0 && offset > 2)
        return -EIO;
    pthread_mutex_lock(&lock);
    const char *name = list_entry(path, &offset);
    if (name != NULL)
        (void)fill(buffer, name, NULL, offset + 1, 0);
    pthread_mutex_unlock(&lock);
    return 0;
}

static int steps_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    (void)mode;
    use_cache(path, info);
    pthread_mutex_lock(&lock);
    bool good = node_make(path) != NULL;
    pthread_mutex_unlock(&lock);
    return good ? 0 : -ENOSPC;
}

/* Whoever waits in vain has been held up by who should release it, and is told an error. */
static int wait_for_release(const char *path, const char *folder)
{
    char waiting[32], release[32];
    struct timespec end;
    int rc = 0;
    (void)snprintf(waiting, sizeof waiting, "%s/waiting", folder);
    (void)snprintf(release, sizeof release, "%s/release", folder);
    if (strcmp(path, release) == 0)
        return 0;
    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += HELD_SECONDS;
    pthread_mutex_lock(&lock);
    if (node_of(waiting) == NULL && node_of(release) == NULL)
        (void)node_make(waiting);
    while (node_of(release) == NULL && rc == 0)
        rc = pthread_cond_timedwait(&made, &lock, &end);
    pthread_mutex_unlock(&lock);
    return rc == 0 ? 0 : -ETIMEDOUT;
}

static bool asks_in_vain(const char *path)
{
    if (strcmp(path, "/asked/old") != 0)
        return false;
    pthread_mutex_lock(&lock);
    bool armed = node_of("/asked/armed") != NULL;
    pthread_mutex_unlock(&lock);
    return armed && wait_for_release(path, "/asked") < 0;
}

static int steps_getattr(const char *path, struct stat *status, struct fuse_file_info *info)
{
    (void)info;
    if (asks_in_vain(path))
        return -ETIMEDOUT;
    memset(status, 0, sizeof *status);
    status->st_nlink = 1;
    status->st_mode = S_IFDIR | 0755;
    if (is_folder(path))
        return 0;
    pthread_mutex_lock(&lock);
    const struct node *node = node_of(path);
    status->st_mode = S_IFREG | 0644;
    status->st_size = node != NULL ? (off_t)node->size : 0;
    pthread_mutex_unlock(&lock);
    return node != NULL ? 0 : -ENOENT;
}

static int steps_poll(const char *path, struct fuse_file_info *info, struct fuse_pollhandle *handle,
                      unsigned *ready)
{
    (void)info;
    if (handle != NULL)
        fuse_pollhandle_destroy(handle);
    *ready = POLLIN | POLLOUT;
    return asks_in_vain(path) ? -ETIMEDOUT : 0;
}

static int steps_open(const char *path, struct fuse_file_info *info)
{
    use_cache(path, info);
    return is_in(path, "/late") ? wait_for_release(path, "/late") : 0;
}

static int steps_read(const char *path, char *buffer, size_t size, off_t offset,
                      struct fuse_file_info *info)
{
    (void)info;
    if (is_in(path, "/again"))
        return -EAGAIN;
    if (is_in(path, "/slow") && wait_for_release(path, "/slow") < 0)
        return -ETIMEDOUT;
    pthread_mutex_lock(&lock);
    const struct node *node = node_of(path);
    size_t left = node != NULL && offset < (off_t)node->size ? node->size - (size_t)offset : 0;
    size_t part = size < left ? size : left;
    if (part > 0)
        memcpy(buffer, node->bytes + offset, part);
    pthread_mutex_unlock(&lock);
    return (int)part;
}

static int steps_write(const char *path, const char *buffer, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
    (void)info;
    if (is_in(path, "/write"))
        return -EIO;
    if (is_in(path, "/again"))
        return -EAGAIN;
    if (is_in(path, "/slow") && wait_for_release(path, "/slow") < 0)
        return -ETIMEDOUT;
    if (offset + (off_t)size > NODE_BYTES)
        return -ENOSPC;
    pthread_mutex_lock(&lock);
    struct node *node = node_of(path);
    if (node != NULL) {
        memcpy(node->bytes + offset, buffer, size);
        node->size = (size_t)offset + size;
    }
    pthread_mutex_unlock(&lock);
    return node != NULL ? (int)size : -ENOENT;
}

static int steps_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    (void)info;
    pthread_mutex_lock(&lock);
    struct node *node = node_of(path);
    bool good = node != NULL && size >= 0 && size <= (off_t)node->size;
    if (good)
        node->size = (size_t)size;
    pthread_mutex_unlock(&lock);
    return good ? 0 : -EINVAL;
}

static int bare_error(const char *path)
{
    return strcmp(path, "/bare") == 0 || is_in(path, "/bare") ? -EPERM : -ENOSYS;
}

static int steps_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
    (void)mode, (void)info;
    return bare_error(path);
}

static int steps_utimens(const char *path, const struct timespec times[2],
                         struct fuse_file_info *info)
{
    (void)times, (void)info;
    return bare_error(path);
}

static int steps_fsync(const char *path, int data, struct fuse_file_info *info)
{
    (void)data, (void)info;
    if (is_in(path, "/again"))
        return -EAGAIN;
    if (is_in(path, "/slow"))
        return wait_for_release(path, "/slow");
    if (is_in(path, "/await"))
        return wait_for_release(path, "/await");
    if (is_in(path, "/refuse"))
        (void)wait_for_release(path, "/refuse");
    return is_in(path, "/sync") || is_in(path, "/refuse") ? -EIO : 0;
}

static int steps_fsyncdir(const char *path, int data, struct fuse_file_info *info)
{
    (void)data, (void)info;
    if (strcmp(path, "/folder") == 0)
        return -EIO;
    return strcmp(path, "/flags") == 0 ? -EINVAL : 0;
}

static int steps_flush(const char *path, struct fuse_file_info *info)
{
    (void)info;
    if (is_in(path, "/flush"))
        return -EIO;
    return is_in(path, "/held") ? wait_for_release(path, "/held") : 0;
}

static int steps_rename(const char *from, const char *to, unsigned flags)
{
    if (is_in(to, "/rename"))
        return -EIO;
    if (flags != 0)
        return -EINVAL;
    pthread_mutex_lock(&lock);
    struct node *node = node_of(from), *before = node_of(to);
    if (before != NULL)
        before->path[0] = '\0';
    if (node != NULL)
        (void)snprintf(node->path, sizeof node->path, "%s", to);
    pthread_mutex_unlock(&lock);
    return node != NULL ? 0 : -ENOENT;
}

/* Two files of the same bytes. */
static int steps_link(const char *from, const char *to)
{
    pthread_mutex_lock(&lock);
    const struct node *node = node_of(from);
    struct node *other = node == NULL ? NULL : node_make(to);
    if (other != NULL) {
        memcpy(other->bytes, node->bytes, sizeof node->bytes);
        other->size = node->size;
    }
    pthread_mutex_unlock(&lock);
    return other != NULL ? 0 : -ENOENT;
}

static int steps_unlink(const char *path)
{
    pthread_mutex_lock(&lock);
    struct node *node = node_of(path);
    if (node != NULL)
        node->path[0] = '\0';
    pthread_mutex_unlock(&lock);
    return node != NULL ? 0 : -ENOENT;
}

static const struct fuse_operations operations = {
    .init = steps_init,
    .getattr = steps_getattr,
    .readdir = steps_readdir,
    .create = steps_create,
    .open = steps_open,
    .poll = steps_poll,
    .read = steps_read,
    .write = steps_write,
    .truncate = steps_truncate,
    .chmod = steps_chmod,
    .utimens = steps_utimens,
    .fsync = steps_fsync,
    .fsyncdir = steps_fsyncdir,
    .flush = steps_flush,
    .rename = steps_rename,
    .link = steps_link,
    .unlink = steps_unlink,
};

static void make_old_files(void)
{
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "%s/old", folders[i]);
        struct node *node = node_make(path);
        if (node != NULL) {
            node->size = 3;
            memcpy(node->bytes, "old", node->size);
        }
    }
}

/* By several threads: a close that is not answered holds up nobody else. */
static int serve(struct fuse *fuse, const char *folder)
{
    if (fuse_mount(fuse, folder) != 0)
        return 1;
    struct fuse_session *session = fuse_get_session(fuse);
    int rc = fuse_set_signal_handlers(session);
    if (rc == 0)
        (void)fuse_loop_mt(fuse, 0);
    fuse_remove_signal_handlers(session);
    fuse_unmount(fuse);
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct fuse_args args = FUSE_ARGS_INIT(1, argv);
    if (argc != 2) {
        (void)fprintf(stderr, "usage: steps_fs FOLDER\n");
        return 2;
    }
    make_old_files();
    struct fuse *fuse = fuse_new(&args, &operations, sizeof operations, NULL);
    if (fuse == NULL)
        return 1;
    int status = serve(fuse, argv[1]);
    fuse_destroy(fuse);
    fuse_opt_free_args(&args);
    return status;
}
