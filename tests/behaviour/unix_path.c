/*
 * The files of Unix sockets: permissions, what others have left, what is removed and what never.
 */
#define SUITE "unix_path"
#include "tests/behaviour/packet_support.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static mode_t mode_of(const char *path)
{
    struct stat status = {0};
    AIO_CHECK_EQ(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

/* A plain socket bound to the path, which leaves its file behind when it is closed. */
static int plain_bound(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    AIO_CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Exactly the mode asked for, whatever the umask is; by default what the umask leaves. */
BEHAVIOUR(permissions)
{
    static const mode_t masks[] = {022, 077, 0};
    struct aio_unix_options options = AIO_UNIX_OPTIONS;
    struct packet_folder folder;
    struct aio_listener *listener;
    struct aio_socket *socket;
    REQUIRE(packet_folder_open(&folder));
    for (int i = 0; i < 3; i++) {
        mode_t former = umask(masks[i]);
        options.mode = 0;
        REQUIRE_OK(aio_unix_listen(&listener, folder.file, &options));
        AIO_CHECK_EQ(mode_of(folder.file), 0777 & ~masks[i]);
        aio_listener_close(listener);
        options.mode = 0660;
        REQUIRE_OK(aio_unix_listen(&listener, folder.file, &options));
        AIO_CHECK_EQ(mode_of(folder.file), 0660);
        aio_listener_close(listener);
        REQUIRE_OK(aio_unix_bind(&socket, folder.file, &options));
        AIO_CHECK_EQ(mode_of(folder.file), 0660);
        aio_socket_close(socket);
        umask(former);
    }
    options.mode = 010000;
    AIO_CHECK_ERROR(aio_unix_listen(&listener, folder.file, &options), -EINVAL);
    AIO_CHECK(!packet_exists(folder.file));
    packet_folder_close(&folder);
}

/* A file that a dead process left is replaced, of whichever type its socket was. */
BEHAVIOUR(stale_socket)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    struct aio_unix_options keep = AIO_UNIX_OPTIONS;
    struct packet_folder folder;
    struct aio_listener *listener;
    struct aio_stream *stream;
    struct aio_socket *socket;
    REQUIRE(packet_folder_open(&folder));
    keep.replace = false;
    for (int i = 0; i < 3; i++) {
        close(plain_bound(folder.file, types[i]));
        AIO_CHECK_ERROR(aio_unix_listen(&listener, folder.file, &keep), -EADDRINUSE);
        AIO_CHECK(packet_exists(folder.file));
        REQUIRE_OK(aio_unix_listen(&listener, folder.file, NULL));
        AIO_CHECK_OK(aio_unix_connect(&stream, folder.file));
        aio_stream_close(stream);
        aio_listener_close(listener);
        close(plain_bound(folder.file, types[i]));
        REQUIRE_OK(aio_unix_bind(&socket, folder.file, NULL));
        aio_socket_close(socket);
        AIO_CHECK(!packet_exists(folder.file));
    }
    packet_folder_close(&folder);
}

/* Somebody who lives keeps his path, and does not notice: bound and not listening yet, listening
 * and not accepting, or a datagram socket. */
static void keep_living(struct packet_folder *folder, int type, bool listens)
{
    struct aio_listener *listener;
    struct aio_socket *socket;
    struct stat before, after;
    struct pollfd noticed = {.fd = plain_bound(folder->file, type), .events = POLLIN};
    if (listens)
        AIO_CHECK_EQ(listen(noticed.fd, 0), 0);
    AIO_CHECK_EQ(lstat(folder->file, &before), 0);
    for (int i = 0; i < 3; i++) {
        AIO_CHECK_ERROR(aio_unix_listen(&listener, folder->file, NULL), -EADDRINUSE);
        AIO_CHECK_ERROR(aio_unix_bind(&socket, folder->file, NULL), -EADDRINUSE);
    }
    AIO_CHECK_EQ(lstat(folder->file, &after), 0);
    AIO_CHECK_EQ(after.st_ino, before.st_ino);
    if (listens || type == SOCK_DGRAM)
        AIO_CHECK_EQ(poll(&noticed, 1, 0), 0);
    close(noticed.fd);
    AIO_CHECK_EQ(unlink(folder->file), 0);
}

BEHAVIOUR(living_socket)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    struct packet_folder folder;
    REQUIRE(packet_folder_open(&folder));
    for (int i = 0; i < 3; i++) {
        keep_living(&folder, types[i], false);
        if (types[i] != SOCK_DGRAM)
            keep_living(&folder, types[i], true);
    }
    packet_folder_close(&folder);
}

/* A file, a folder, a link, a pipe: never touched. */
BEHAVIOUR(not_a_socket)
{
    struct packet_folder folder;
    struct aio_listener *listener;
    char target[128];
    REQUIRE(packet_folder_open(&folder));
    snprintf(target, sizeof target, "%s/target", folder.path);
    for (int kind = 0; kind < 5; kind++) {
        if (kind == 0)
            close(open(folder.file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        else if (kind == 1)
            AIO_CHECK_EQ(mkdir(folder.file, 0700), 0);
        else if (kind == 2)
            AIO_CHECK_EQ(mkfifo(folder.file, 0600), 0);
        else if (kind == 3)
            AIO_CHECK_EQ(symlink(target, folder.file), 0); /* to nothing */
        else
            close(plain_bound(target, SOCK_STREAM)), (void)!symlink(target, folder.file);
        AIO_CHECK_ERROR(aio_unix_listen(&listener, folder.file, NULL), -EADDRINUSE);
        AIO_CHECK(packet_exists(folder.file));
        AIO_CHECK_EQ(kind == 1 ? rmdir(folder.file) : unlink(folder.file), 0);
    }
    AIO_CHECK(packet_exists(target));
    packet_folder_close(&folder);
}

/* What somebody put in our file's place stays there when we close; a renamed one stays as well. */
BEHAVIOUR(replaced_meanwhile)
{
    struct packet_folder folder;
    struct aio_listener *listener;
    struct aio_socket *socket;
    char moved[128];
    REQUIRE(packet_folder_open(&folder));
    snprintf(moved, sizeof moved, "%s/moved", folder.path);
    REQUIRE_OK(aio_unix_listen(&listener, folder.file, NULL));
    AIO_CHECK_EQ(rename(folder.file, moved), 0);
    REQUIRE_OK(aio_unix_bind(&socket, folder.file, NULL));
    aio_listener_close(listener);
    AIO_CHECK(packet_exists(folder.file));
    AIO_CHECK(packet_exists(moved));
    AIO_CHECK_EQ(unlink(folder.file), 0);
    close(open(folder.file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    aio_socket_close(socket);
    AIO_CHECK(packet_exists(folder.file));
    packet_folder_close(&folder);
}

enum { RIVALS = 4 };

struct rivals {
    const char *path;
    pthread_barrier_t begun, done;
    int winners;
};

static int rival_run(void *arg)
{
    struct rivals *rivals = arg;
    struct aio_listener *listener;
    (void)pthread_barrier_wait(&rivals->begun);
    int rc = aio_unix_listen(&listener, rivals->path, NULL);
    AIO_CHECK(rc == 0 || rc == -EADDRINUSE);
    if (rc == 0)
        __atomic_add_fetch(&rivals->winners, 1, __ATOMIC_RELAXED);
    (void)pthread_barrier_wait(&rivals->done);
    if (rc == 0)
        aio_listener_close(listener);
    return 0;
}

static void *rival_main(void *arg)
{
    AIO_CHECK_EQ(test_run(rival_run, arg), 0);
    return NULL;
}

/* Of several that would replace what is stale one does, and has the path. */
BEHAVIOUR_OUTSIDE(replaced_by_one_of_many)
{
    struct packet_folder folder;
    REQUIRE(packet_folder_open(&folder));
    for (int round = 0; round < 20; round++) {
        struct rivals rivals = {.path = folder.file};
        pthread_t threads[RIVALS];
        pthread_barrier_init(&rivals.begun, NULL, RIVALS);
        pthread_barrier_init(&rivals.done, NULL, RIVALS);
        close(plain_bound(folder.file, SOCK_STREAM));
        for (int i = 0; i < RIVALS; i++)
            REQUIRE(pthread_create(&threads[i], NULL, rival_main, &rivals) == 0);
        for (int i = 0; i < RIVALS; i++)
            pthread_join(threads[i], NULL);
        AIO_CHECK_EQ(rivals.winners, 1);
        AIO_CHECK(!packet_exists(folder.file));
        pthread_barrier_destroy(&rivals.begun);
        pthread_barrier_destroy(&rivals.done);
    }
    packet_folder_close(&folder); /* which is empty, or this fails */
}

/* Nothing is left behind where it cannot be bound. */
BEHAVIOUR(bad_places)
{
    struct packet_folder folder;
    struct aio_listener *listener;
    struct aio_socket *socket;
    char path[160];
    int before = packet_fd_count();
    REQUIRE(packet_folder_open(&folder));
    snprintf(path, sizeof path, "%s/no/such", folder.path);
    AIO_CHECK_ERROR(aio_unix_listen(&listener, path, NULL), -ENOENT);
    AIO_CHECK_ERROR(aio_unix_bind(&socket, path, NULL), -ENOENT);
    AIO_CHECK_ERROR(aio_unix_bind(&socket, folder.path, NULL), -EADDRINUSE);
    AIO_CHECK_EQ(packet_fd_count(), before);
    packet_folder_close(&folder);
}

/* The end of a runtime closes what is left, and its file goes with it. */
static int listen_and_leave(void *arg)
{
    struct aio_listener *listener;
    AIO_CHECK_OK(aio_unix_listen(&listener, arg, NULL));
    return 0;
}

BEHAVIOUR_OUTSIDE(left_open)
{
    struct packet_folder folder;
    REQUIRE(packet_folder_open(&folder));
    AIO_CHECK_OK(test_run(listen_and_leave, folder.file));
    AIO_CHECK(!packet_exists(folder.file));
    packet_folder_close(&folder);
}
