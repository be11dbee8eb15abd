/*
 * Copies of files: bytes, holes, attributes.
 */
#define SUITE "whole_copy"
#include "tests/behaviour/folder_support.h"

#include <aio/path.h>
#include <aio/whole.h>
#include <sys/xattr.h>

enum { LARGE = 20 << 20 }; /* several pieces */

BEHAVIOUR(of_any_size)
{
    static const size_t sizes[] = {0, 1, 4096, 131073, 8 << 20, LARGE};
    struct folder folder;
    int64_t copied = -1;
    struct aio_file_copy_options options = AIO_FILE_COPY_OPTIONS;
    options.copied = &copied;
    REQUIRE(folder_open(&folder));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        folder_pattern(&folder, "from", sizes[i]);
        REQUIRE_OK(aio_file_copy(folder.fd, "from", folder.fd, "to", &options));
        folder_check_pattern(folder.fd, "to", sizes[i]);
        AIO_CHECK_EQ(copied, sizes[i]);
    }
    AIO_CHECK_OK(aio_file_copy(folder.fd, "to", folder.fd, "to", NULL)); /* onto itself */
    folder_check_pattern(folder.fd, "to", LARGE);
    AIO_CHECK_EQ(folder_count(&folder, "."), 2);
    folder_close(&folder);
}

/* A file of another file system than the folder's. */
static bool make_elsewhere(char *pattern)
{
    int fd = mkostemp(pattern, O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return AIO_CHECK(fd >= 0);
}

BEHAVIOUR(to_another_file_system)
{
    static const size_t sizes[] = {0, 1, 300000, LARGE};
    struct folder folder;
    char path[] = "/tmp/aio-test-XXXXXX";
    REQUIRE(folder_open(&folder) && make_elsewhere(path));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        folder_pattern(&folder, "from", sizes[i]);
        AIO_CHECK_OK(aio_file_copy(folder.fd, "from", AT_FDCWD, path, NULL));
        folder_check_pattern(AT_FDCWD, path, sizes[i]);
    }
    unlink(path);
    AIO_CHECK_OK(aio_file_copy(AT_FDCWD, "/proc/self/status", folder.fd, "status", NULL));
    struct stat status;
    AIO_CHECK(fstatat(folder.fd, "status", &status, 0) == 0 && status.st_size > 100);
    folder_close(&folder);
}

enum { HOLES_END = 64 << 20 };

/* Bytes far apart. */
static void make_holes(const struct folder *folder)
{
    int fd = openat(folder->fd, "from", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    AIO_CHECK_EQ(pwrite(fd, "1", 1, 1 << 20), 1);
    AIO_CHECK_EQ(pwrite(fd, "2", 1, 40 << 20), 1);
    AIO_CHECK_EQ(ftruncate(fd, HOLES_END), 0);
    close(fd);
}

static void check_holes(int at, const char *path)
{
    struct stat status;
    char byte = 0;
    REQUIRE(AIO_CHECK_EQ(fstatat(at, path, &status, 0), 0));
    AIO_CHECK_EQ(status.st_size, HOLES_END);
    AIO_CHECK(status.st_blocks * 512 < 1 << 20);
    int fd = openat(at, path, O_RDONLY | O_CLOEXEC);
    AIO_CHECK(pread(fd, &byte, 1, 1 << 20) == 1 && byte == '1');
    AIO_CHECK(pread(fd, &byte, 1, 40 << 20) == 1 && byte == '2');
    AIO_CHECK(pread(fd, &byte, 1, (40 << 20) + 1) == 1 && byte == 0);
    close(fd);
}

BEHAVIOUR(holes_stay_holes)
{
    struct folder folder;
    char path[] = "/tmp/aio-test-XXXXXX";
    REQUIRE(folder_open(&folder) && make_elsewhere(path));
    make_holes(&folder);
    AIO_CHECK_OK(aio_file_copy(folder.fd, "from", folder.fd, "to", NULL));
    check_holes(folder.fd, "to");
    AIO_CHECK_OK(aio_file_copy(folder.fd, "from", AT_FDCWD, path, NULL));
    check_holes(AT_FDCWD, path);
    unlink(path);
    folder_close(&folder);
}

BEHAVIOUR(attributes)
{
    struct folder folder;
    struct stat from, to;
    const struct timespec times[2] = {{1000, 1}, {2000, 2}};
    struct aio_file_copy_options options = AIO_FILE_COPY_OPTIONS;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "from", "x");
    AIO_CHECK_EQ(fchmodat(folder.fd, "from", 0715, 0), 0);
    AIO_CHECK_EQ(utimensat(folder.fd, "from", times, 0), 0);
    AIO_CHECK_OK(aio_file_copy(folder.fd, "from", folder.fd, "to", NULL));
    AIO_CHECK_EQ(fstatat(folder.fd, "to", &to, 0), 0);
    AIO_CHECK(to.st_mtim.tv_sec > 2000);
    AIO_CHECK_EQ(to.st_mode & 0700, 0700);
    AIO_CHECK_EQ(fstatat(folder.fd, "from", &from, 0), 0);
    options.flags = AIO_FILE_COPY_KEEP | AIO_FILE_COPY_SYNC;
    AIO_CHECK_OK(aio_file_copy(folder.fd, "from", folder.fd, "to", &options));
    AIO_CHECK_EQ(fstatat(folder.fd, "to", &to, 0), 0);
    AIO_CHECK_EQ(to.st_mode, from.st_mode);
    AIO_CHECK_EQ(to.st_uid, from.st_uid);
    AIO_CHECK(to.st_mtim.tv_sec == 2000 && to.st_mtim.tv_nsec == 2);
    AIO_CHECK(to.st_atim.tv_sec == from.st_atim.tv_sec);
    folder_close(&folder);
}

/* acl(5) as the kernel has it, little-endian: the owner, user 12, the group, the mask, others. */
static const unsigned char access_list[] = {
    2,  0, 0, 0,                         /* version */
    1,  0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* ACL_USER_OBJ rw- */
    2,  0, 4, 0, 12,   0,    0,    0,    /* ACL_USER r-- */
    4,  0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* ACL_GROUP_OBJ --- */
    16, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* ACL_MASK r-- */
    32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* ACL_OTHER --- */
};

static bool set_attribute(const struct folder *folder, const char *path, const char *name,
                          const void *value, size_t size)
{
    int fd = openat(folder->fd, path, O_RDONLY | O_CLOEXEC);
    int rc = fsetxattr(fd, name, value, size, 0);
    if (rc < 0 && AIO_CHECK_EQ(errno, EOPNOTSUPP))
        aio_test_skip("this file system has no such attributes");
    close(fd);
    return rc == 0;
}

/* The size of an attribute; -1: it is not there. */
static ssize_t attribute_size(const struct folder *folder, const char *path, const char *name)
{
    char value[2048];
    int fd = openat(folder->fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fgetxattr(fd, name, value, sizeof value);
    close(fd);
    return n;
}

static void check_attributes(const struct folder *folder, const char *path)
{
    struct stat status;
    AIO_CHECK_EQ(attribute_size(folder, path, "user.aio"), 5);
    AIO_CHECK_EQ(attribute_size(folder, path, "user.empty"), 0);
    AIO_CHECK_EQ(attribute_size(folder, path, "user.long"), 1000);
    AIO_CHECK_EQ(attribute_size(folder, path, "system.posix_acl_access"), sizeof access_list);
    AIO_CHECK_EQ(fstatat(folder->fd, path, &status, 0), 0);
    AIO_CHECK_EQ(status.st_mode & 0777, 0640);
}

BEHAVIOUR(extended_attributes)
{
    static const char list[] = "system.posix_acl_access";
    struct folder folder;
    struct aio_file_copy_options options = AIO_FILE_COPY_OPTIONS;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "from", "x");
    folder_directory(&folder, "below");
    if (set_attribute(&folder, "from", "user.aio", "value", 5) &&
        set_attribute(&folder, "from", list, access_list, sizeof access_list) &&
        set_attribute(&folder, "below", "system.posix_acl_default", access_list,
                      sizeof access_list)) {
        static const char bytes[1000];
        set_attribute(&folder, "from", "user.empty", "", 0);
        set_attribute(&folder, "from", "user.long", bytes, sizeof bytes);
        AIO_CHECK_OK(aio_file_copy(folder.fd, "from", folder.fd, "to", NULL));
        AIO_CHECK_EQ(attribute_size(&folder, "to", "user.aio"), -1);
        options.flags = AIO_FILE_COPY_KEEP | AIO_FILE_COPY_XATTRS;
        AIO_CHECK_OK(aio_file_copy(folder.fd, "from", folder.fd, "to", &options));
        check_attributes(&folder, "to");
        folder_text(&folder, "plain", "x"); /* what the folder gives, a plain source takes away */
        AIO_CHECK_OK(aio_file_copy(folder.fd, "plain", folder.fd, "below/plain", NULL));
        AIO_CHECK_EQ(attribute_size(&folder, "below/plain", list), sizeof access_list);
        for (unsigned more = 0; more <= AIO_FILE_COPY_XATTRS; more += AIO_FILE_COPY_XATTRS) {
            options.flags = AIO_FILE_COPY_KEEP | more;
            AIO_CHECK_OK(aio_file_copy(folder.fd, "plain", folder.fd, "below/plain", &options));
            AIO_CHECK_EQ(attribute_size(&folder, "below/plain", list), -1);
        }
        AIO_CHECK_OK(aio_path_copy_xattrs(folder.fd, "from", folder.fd, "plain"));
        check_attributes(&folder, "plain");
        folder_link(&folder, "link", "from");
        AIO_CHECK_ERROR(aio_path_copy_xattrs(folder.fd, "link", folder.fd, "plain"), -ELOOP);
        AIO_CHECK_ERROR(aio_path_copy_xattrs(folder.fd, "from", folder.fd, "absent"), -ENOENT);
    }
    folder_close(&folder);
}

BEHAVIOUR(bad_input)
{
    struct folder folder;
    struct aio_file_copy_options options = AIO_FILE_COPY_OPTIONS;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "x");
    folder_text(&folder, "taken", "old");
    folder_link(&folder, "link", "file");
    folder_directory(&folder, "directory");
    AIO_CHECK_EQ(mkfifoat(folder.fd, "fifo", 0600), 0);
    AIO_CHECK_ERROR(aio_file_copy(folder.fd, "absent", folder.fd, "to", NULL), -ENOENT);
    AIO_CHECK_ERROR(aio_file_copy(folder.fd, "directory", folder.fd, "to", NULL), -EISDIR);
    AIO_CHECK_ERROR(aio_file_copy(folder.fd, "fifo", folder.fd, "to", NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_file_copy(folder.fd, "file", folder.fd, "directory", NULL), -EISDIR);
    AIO_CHECK_ERROR(aio_file_copy(folder.fd, "file", folder.fd, "no/where", NULL), -ENOENT);
    options.flags = AIO_FILE_COPY_NOREPLACE;
    AIO_CHECK_ERROR(aio_file_copy(folder.fd, "file", folder.fd, "taken", &options), -EEXIST);
    AIO_CHECK(folder_says(&folder, "taken", "old"));
    options.flags = AIO_FILE_COPY_NOFOLLOW;
    AIO_CHECK_ERROR(aio_file_copy(folder.fd, "link", folder.fd, "to", &options), -ELOOP);
    options.flags = 64;
    AIO_CHECK_ERROR(aio_file_copy(folder.fd, "file", folder.fd, "to", &options), -EINVAL);
    options = AIO_FILE_COPY_OPTIONS;
    options.size++;
    AIO_CHECK_ERROR(aio_file_copy(folder.fd, "file", folder.fd, "to", &options), -EINVAL);
    AIO_CHECK_EQ(folder_count(&folder, "."), 5);
    AIO_CHECK_EQ(folder_count(&folder, "directory"), 0);
    folder_close(&folder);
}
