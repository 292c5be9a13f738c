# Shared by the init scripts of all layers: markers on the console, mounts and modules.
# LAYER is set by the script that reads this file.

# say TEXT: a marker line for whoever watches the console of this layer.
say() { echo "vsbypass-$LAYER: $*" >/dev/console; }

# fail TEXT: the boot cannot go on. In one line, since that is what is waited for.
fail() {
	say "error: $(echo "$*" | tr '\n' ' ')"
	exit 1
}

# wait_until SECONDS COMMAND...: polls every 50 ms.
wait_until() {
	wait_rounds=$(($1 * 20))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$wait_rounds" -gt 0 ] || return 1
		wait_rounds=$((wait_rounds - 1))
		usleep 50000
	done
}

# load_modules: all of the image that are for this processor. A driver that finds none of its devices in this machine may say so.
load_modules() {
	while read -r module flag; do
		[ -z "$flag" ] || grep -qm 1 "^flags.* $flag\( \|\$\)" /proc/cpuinfo || continue
		complaint=$(insmod "$module" 2>&1) && continue
		case $complaint in
		*'No such device'*) ;;
		*) fail "cannot load $module: $complaint" ;;
		esac
	done </lib/modules/load-order
}

# limited_tmpfs SIZE DIRECTORY: what others write there can never eat the memory of this layer.
limited_tmpfs() {
	mkdir -p "$2"
	mount -t tmpfs -o "size=$1,mode=755" tmpfs "$2" || fail "cannot mount $2"
}

# use_keys: gives dropbear the keys of the overlay; without them nobody could manage this layer.
use_keys() {
	[ -s /etc/vsbypass/authorized_keys ] || fail "no /etc/vsbypass/authorized_keys in the overlay"
	[ -s /etc/dropbear/dropbear_ed25519_host_key ] || fail "no SSH host key in the overlay"
	mkdir -p /root/.ssh
	cp /etc/vsbypass/authorized_keys /root/.ssh/authorized_keys
	chmod 700 /root /root/.ssh
	chmod 600 /root/.ssh/authorized_keys /etc/dropbear/dropbear_ed25519_host_key
}
