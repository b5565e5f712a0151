#!/usr/bin/env bash
# Make in an AWS account what cluster.yaml needs, and print the file filled in. Once; what is there already stays.
#
#   cluster/aws.sh BUCKET > my_cluster.yaml    # a new bucket's name, or yours; region and zone are those of cluster.yaml
#
# It makes a bucket, a role and an instance profile for head and workers (cluster/iam/), the nodes' security group under
# the name by which Ray looks for it, and an EFS with a mount target in the zone, which admits that group. It needs the
# AWS command line with the rights of an administrator; who only calls ray up needs cluster/iam/caller.json.
set -euo pipefail
cd "$(dirname "$0")/.."
bucket=${1:?the name of a bucket}
region=$(sed -n 's/^  region: //p' cluster.yaml) zone=$(sed -n 's/^  availability_zone: //p' cluster.yaml)
export AWS_DEFAULT_REGION=$region AWS_PAGER='' AWS_DEFAULT_OUTPUT=text
say() { echo "$*" >&2; }

account=$(aws sts get-caller-identity --query Account)
vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[].VpcId')
[ -n "$vpc" ] || { say "region $region has no default VPC; aws ec2 create-default-vpc makes one"; exit 2; }
subnet=$(aws ec2 describe-subnets --filters "Name=vpc-id,Values=$vpc" "Name=availability-zone,Values=$zone" --query 'Subnets[0].SubnetId')
filled() {
  sed -e "s/FILL_IN_ACCOUNT/$account/g" -e "s/FILL_IN_BUCKET/$bucket/g" -e 's/FILL_IN_HEAD_ROLE/dta-bench-head/' -e 's/FILL_IN_HEAD_PROFILE/dta-bench-head/' \
    -e 's/FILL_IN_WORKER_ROLE/dta-bench-worker/' -e 's/FILL_IN_WORKER_PROFILE/dta-bench-worker/' "$1"
}

aws s3api head-bucket --bucket "$bucket" > /dev/null 2>&1 || aws s3 mb "s3://$bucket" >&2

trust='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
for node in head worker; do
  role=dta-bench-$node
  aws iam get-role --role-name $role > /dev/null 2>&1 || aws iam create-role --role-name $role --assume-role-policy-document "$trust" > /dev/null
  aws iam put-role-policy --role-name $role --policy-name dta-bench --policy-document "$(filled cluster/iam/$node.json)"
  if ! aws iam get-instance-profile --instance-profile-name $role > /dev/null 2>&1; then
    aws iam create-instance-profile --instance-profile-name $role > /dev/null
    aws iam add-role-to-instance-profile --instance-profile-name $role --role-name $role
  fi
  say "role and instance profile $role"
done
# An account that has never had a spot machine lacks it.
aws iam create-service-linked-role --aws-service-name spot.amazonaws.com > /dev/null 2>&1 || true

group() { # the id of a security group, which is made if it is missing
  local found
  found=$(aws ec2 describe-security-groups --filters "Name=vpc-id,Values=$vpc" "Name=group-name,Values=$1" --query 'SecurityGroups[].GroupId')
  [ -n "$found" ] || found=$(aws ec2 create-security-group --group-name "$1" --description "$1" --vpc-id "$vpc" --query GroupId)
  echo "$found"
}
nodes=$(group ray-autoscaler-dta-bench) storage=$(group dta-bench-storage)
aws ec2 authorize-security-group-ingress --group-id "$storage" --protocol tcp --port 2049 --source-group "$nodes" > /dev/null 2>&1 || true
efs=$(aws efs describe-file-systems --creation-token dta-bench --query 'FileSystems[].FileSystemId')
[ -n "$efs" ] || efs=$(aws efs create-file-system --creation-token dta-bench --encrypted --query FileSystemId)
target() { aws efs describe-mount-targets --file-system-id "$efs" --query "MountTargets[?SubnetId=='$subnet'].SubnetId"; }
for _ in $(seq 30); do  # a new file system is not ready at once
  [ -z "$(target)" ] || break
  aws efs create-mount-target --file-system-id "$efs" --subnet-id "$subnet" --security-groups "$storage" > /dev/null || sleep 5
done
[ -n "$(target)" ] || { say "EFS $efs gets no mount target in $subnet; the lines above say why"; exit 2; }
say "EFS $efs in $zone, open to $nodes"

# Images of today. Where the account may not ask for them, the placeholder stays, and dta-bench check cluster tells it.
image() { aws ssm get-parameter --name "/aws/service/$1/ami-id" --query Parameter.Value || echo "$2"; }
head=ami-FILL_IN_UBUNTU_24_04 worker=ami-FILL_IN_UBUNTU_24_04_WITH_NVIDIA_DRIVER
worker_image=$(image deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest $worker)
head_image=$(image canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3 $head)
filled cluster.yaml | sed "s/$worker/$worker_image/; s/$head\$/$head_image/; s/FILL_IN_EFS_DNS_NAME/$efs.efs.$region.amazonaws.com/"
say "spot machines with a GPU have a quota, which is 0 in a new account: aws service-quotas get-service-quota --service-code ec2 --quota-code L-3819A6DF"
